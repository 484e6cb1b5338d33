"""Commands that look at datasets more closely: preview, differences, data card."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table, printable

if TYPE_CHECKING:
    from civicbench.pipeline.previewing import Preview
    from civicbench.pipeline.snapshot_changes import SnapshotChanges

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_TRAINED = ("\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}",
            "\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}")  # fmt: skip
_SHOWN_CHARACTERS = 160


@click.command("preview")
@click.option("--recipe", required=True, help="The recipe whose dataset and model are used.")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="train",
    show_default=True, help="Where the rows are taken from.",
)  # fmt: skip
@click.option("--rows", type=click.IntRange(1, 64), default=2, show_default=True,
              help="Rows in the batch.")  # fmt: skip
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True,
              help="Rows of the split to pass over.")  # fmt: skip
@_json
def preview_dataset(recipe: str, split: str, rows: int, start: int, as_json: bool) -> None:
    """Show rows as training reads them, through its own packing, trained tokens in brackets."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.datasets.rows import SPLITS
    from civicbench.pipeline.previewing import preview_recipe
    from civicbench.recipes.loading import load_recipe

    preview = preview_recipe(
        load_recipe(recipe),
        split=next(name for name in SPLITS if name == split),
        rows=rows,
        start=start,
        workspace=Workspace.locate(),
        reporter=Reporter(),
    )
    if as_json:
        print_json(preview.model_dump(mode="json"))
    else:
        _print_preview(preview)


@click.command("diff")
@click.argument("first")
@click.argument("second")
@click.option("--examples", type=click.IntRange(min=0), default=3, show_default=True,
              help="Rows of each kind to print.")  # fmt: skip
@_json
def diff_snapshots(first: str, second: str, examples: int, as_json: bool) -> None:
    """Show what differs between two snapshots, row by row.

    FIRST and SECOND are each a folder, the beginning of a snapshot's key or digest, or a dataset's
    name, which stands for the one that was built last.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.datasets.snapshots import find_snapshot
    from civicbench.pipeline.snapshot_changes import compare_snapshots

    workspace = Workspace.locate()
    changes = compare_snapshots(
        find_snapshot(first, workspace=workspace),
        find_snapshot(second, workspace=workspace),
        examples=examples,
    )
    if as_json:
        print_json(changes.model_dump(mode="json"))
    else:
        _print_changes(changes)


@click.command("card")
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the files; without it, the snapshot's own.")  # fmt: skip
@click.option("--tokenizer", "tokenizers", multiple=True, metavar="MODEL",
              help="Count tokens with this base model; may be given again.")  # fmt: skip
def card_of_dataset(name: str, folder: Path | None, tokenizers: tuple[str, ...]) -> None:
    """Write the data card of NAME as Markdown and HTML, with its Croissant description.

    Without --tokenizer, tokens are counted for every base model that stands ready here.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.data_cards import write_dataset_card

    for path in write_dataset_card(
        name,
        folder=folder,
        tokenizers=tokenizers or None,
        workspace=Workspace.locate(),
        reporter=Reporter(),
    ):
        click.echo(str(path))


def _print_preview(preview: "Preview") -> None:
    opening, closing = _TRAINED
    click.echo(f"{preview.model}, split {preview.split}; trained on: {opening}...{closing}")
    for row in preview.rows:
        trained = sum(token.trained for token in row.tokens)
        click.echo(
            f"--- {row.id}: {len(row.tokens)} tokens, {trained} trained on, "
            f"{row.shared_tokens} shared with the others"
        )
        for span in row.spans:
            text = printable(span.text)
            click.echo(f"{opening}{text}{closing}" if span.trained else text, nl=False)
        click.echo()


def _print_changes(changes: "SnapshotChanges") -> None:
    click.echo(f"{changes.first[:12]} and {changes.second[:12]}: " + (
        "the same rows" if changes.same else
        f"{changes.added:,} rows added, {changes.removed:,} removed, {changes.changed:,} changed, "
        f"{changes.moved:,} moved to another split"
    ))  # fmt: skip
    print_table(
        "",
        ("split", "before", "after"),
        [(s.split, f"{s.before:,}", f"{s.after:,}") for s in changes.splits],
    )
    print_table(
        "",
        ("step", "rows out before", "rows out after"),
        [(s.step, _count(s.before), _count(s.after)) for s in changes.steps],
    )
    if changes.facts:
        facts = [(fact.id, fact.before, fact.after) for fact in changes.facts]
        print_table("", ("what", "before", "after"), facts)
    rows = [
        (kind, row.id, _cut(row.before), _cut(row.after))
        for kind, found in changes.examples.items()
        for row in found
    ]
    if rows:
        print_table("", ("row", "name", "before", "after"), rows)


def _count(number: int | None) -> str:
    return "not there" if number is None else f"{number:,}"


def _cut(text: str) -> str:
    plain = printable(text).replace("\n", " ")
    return plain if len(plain) <= _SHOWN_CHARACTERS else plain[: _SHOWN_CHARACTERS - 3] + "..."
