"""Commands for mirrors: files to carry to a machine without a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from civicbench.pipeline.mirroring import MirrorFile, Wanted

_SHOWN_FILES = 40
_folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_datasets = click.option("--dataset", "datasets", multiple=True, metavar="NAME",
                         help="What this dataset pins; may be given again.")  # fmt: skip
_models = click.option("--model", "models", multiple=True, metavar="NAME",
                       help="What this base model pins; may be given again.")  # fmt: skip
_suites = click.option("--suite", "suites", multiple=True, metavar="NAME",
                       help="What this suite pins; may be given again.")  # fmt: skip
_manifest = click.option(
    "--manifest", type=click.Path(path_type=Path, dir_okay=False),
    help="What this list names: url, sha256, bytes, licence, with tabs between.",
)  # fmt: skip


@click.group()
def mirror() -> None:
    """Mirrors: pinned files as HOST/PATH in a folder, named in CIVICBENCH_MIRROR."""


@mirror.command("sync")
@_folder
@_datasets
@_models
@_suites
@_manifest
@_json
def sync(
    folder: Path,
    datasets: tuple[str, ...],
    models: tuple[str, ...],
    suites: tuple[str, ...],
    manifest: Path | None,
    as_json: bool,
) -> None:
    """Fill the mirror FOLDER with what is named and lacking, each file verified.

    Files come from the downloads, from other mirrors, or from the network unless --offline.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.mirroring import refuse_bad_files, sync_mirror

    wanted = _wanted(datasets, models, suites, manifest)
    files = sync_mirror(folder, wanted, workspace=Workspace.locate(), reporter=Reporter())
    _print(files, as_json=as_json)
    refuse_bad_files(files, folder=folder)


@mirror.command("check")
@_folder
@_datasets
@_models
@_suites
@_manifest
@_json
def check(
    folder: Path,
    datasets: tuple[str, ...],
    models: tuple[str, ...],
    suites: tuple[str, ...],
    manifest: Path | None,
    as_json: bool,
) -> None:
    """Verify the mirror FOLDER: every file of its own manifest, or what is named.

    Exits with 6 where a file has other bytes than were pinned, with 5 where one is missing.
    """
    from civicbench.core.manifests import own_manifest
    from civicbench.pipeline.mirroring import check_mirror, refuse_bad_files

    if not (datasets or models or suites or manifest):
        manifest = own_manifest(folder)
    files = check_mirror(folder, _wanted(datasets, models, suites, manifest))
    _print(files, as_json=as_json)
    refuse_bad_files(files, folder=folder)


@mirror.command("list")
@_folder
@_json
def list_files(folder: Path, as_json: bool) -> None:
    """List what the mirror FOLDER says that it holds, without reading the files."""
    from civicbench.pipeline.mirroring import list_mirror

    _print(list_mirror(folder), as_json=as_json)


def _wanted(
    datasets: Sequence[str], models: Sequence[str], suites: Sequence[str], manifest: Path | None
) -> "list[Wanted]":
    from civicbench.pipeline.mirroring import wanted_files

    if not (datasets or models or suites or manifest):
        raise click.UsageError("name a --dataset, --model, --suite or --manifest")
    return wanted_files(datasets=datasets, models=models, suites=suites, manifest=manifest)


def _print(files: "Sequence[MirrorFile]", *, as_json: bool) -> None:
    if as_json:
        print_json([file.model_dump(mode="json") for file in files])
        return
    shown = sorted(files, key=lambda file: (file.state == "there", file.place))[:_SHOWN_FILES]
    print_table(
        "",
        ("file", "state", "bytes", "licence", "wanted by"),
        [(f.place, f.state, f"{f.bytes:,}", f.licence, f.wanted_by) for f in shown],
    )
    states = sorted({file.state for file in files})
    counts = ", ".join(f"{sum(f.state == state for f in files)} {state}" for state in states)
    more = f"; {len(files) - len(shown)} not shown" if len(files) > len(shown) else ""
    click.echo(f"{len(files)} files, {sum(f.bytes for f in files):,} bytes: {counts}{more}")
