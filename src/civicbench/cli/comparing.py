"""Commands that show registered versions: side by side, and as a card."""

from pathlib import Path

import click

from civicbench.cli.comparisons import print_comparisons, print_judges
from civicbench.cli.output import print_json


@click.command()
@click.argument("versions", nargs=-1, required=True, metavar="VERSION [OTHER]...")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path),
    help="Folder for a report: HTML, Markdown, JSON and the forest plot.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def compare(versions: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Compare registered versions by pairs of items, on the suites they share.

    Each OTHER is compared with the first VERSION; differences are OTHER minus VERSION. One VERSION
    alone is compared with its own base. A version is MODEL, MODEL:NUMBER or the beginning of a
    digest. Only stored answers are used; nothing is scored anew.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.comparing import compare_versions

    report = compare_versions(versions, workspace=Workspace.locate())
    written: Path | None = None
    if folder is not None:
        from civicbench.reports.writing import write_report

        written = write_report(folder, report).html
    if as_json:
        print_json(
            {
                "first": report.first.label,
                "comparisons": {
                    label: [c.model_dump(mode="json") for c in comparisons]
                    for label, comparisons in report.comparisons.items()
                },
                "report": None if written is None else str(written),
            }
        )
        return
    for label, comparisons in report.comparisons.items():
        if len(report.comparisons) > 1:
            click.echo(f"{label} against {report.first.label}")
        print_comparisons(comparisons, columns=(report.first.label, label))
    print_judges(scored.result for model in report.models for scored in model.suites.values())
    if written is not None:
        click.echo(f"Report: {written}")


@click.command()
@click.argument("version")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Folder for the card's files."
)
def card(version: str, folder: Path | None) -> None:
    """Write the model card of a registered VERSION as HTML and Markdown.

    VERSION is MODEL, MODEL:NUMBER or the beginning of a digest.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.comparing import write_version_card

    paths = write_version_card(version, folder=folder, workspace=Workspace.locate())
    click.echo(str(paths.html))
    click.echo(str(paths.markdown))
