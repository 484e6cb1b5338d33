"""Commands about this machine and the user's own project."""

from pathlib import Path

import click

from civicbench.cli.output import print_json, print_table


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Lay out a project in FOLDER: an example of each part, to be changed."""
    from civicbench.pipeline.starting import lay_out_project

    for path in lay_out_project(folder):
        click.echo(str(path))
    click.echo(f"Next: cd {folder} && civicbench plan example")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor(as_json: bool) -> None:
    """Show what this machine has, and what would fail."""
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.diagnosing import diagnose

    findings = diagnose(Workspace.locate())
    if as_json:
        print_json([finding.model_dump(mode="json") for finding in findings])
        return
    marks = {"good": "ok", "note": "note", "bad": "WOULD FAIL"}
    print_table(
        "",
        ("what", "found", "", "what to do"),
        [(f.what, f.found, marks[f.state], f.remedy) for f in findings],
    )
