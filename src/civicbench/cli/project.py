"""Commands about this machine and the user's own project."""

from pathlib import Path

import click

from civicbench.cli.findings import print_findings, print_tokens
from civicbench.cli.output import print_json


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Lay out a project in FOLDER: an example of each part, to be changed."""
    from civicbench.pipeline.starting import lay_out_project

    for path in lay_out_project(folder):
        click.echo(str(path))
    click.echo(f"Next: cd {folder} && civicbench plan example")


@click.command()
@click.option("--recipe", metavar="RECIPE",
              help="Look at what RECIPE would train on instead, token by token.")  # fmt: skip
@click.option("--example", metavar="ROW",
              help="The row to show: its place from 1, or its id. Default: the first.")  # fmt: skip
@click.option("--cluster", metavar="NAME",
              help="Compare the cluster's profile NAME with the real cluster instead.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor(recipe: str | None, example: str | None, cluster: str | None, as_json: bool) -> None:
    """Show what this machine has, and what would fail.

    With --recipe: whether the recipe's rows are what training should read, and one of them token by
    token, as training packs it. Nothing is fetched. Exits with 2 where a check fails.

    With --cluster: whether the cluster has what the profile asks for, and, through a short job,
    what its nodes see and have.
    """
    if cluster is not None:
        if recipe is not None or example is not None:
            raise click.UsageError("--cluster goes with neither --recipe nor --example")
        _diagnose_cluster(cluster, as_json=as_json)
    elif recipe is None:
        if example is not None:
            raise click.UsageError("--example belongs to --recipe")
        _diagnose_machine(as_json=as_json)
    else:
        _diagnose_recipe(recipe, example=example, as_json=as_json)


def _diagnose_machine(*, as_json: bool) -> None:
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.diagnosing import diagnose

    findings = diagnose(Workspace.locate())
    if as_json:
        print_json([finding.model_dump(mode="json") for finding in findings])
    else:
        print_findings(findings)


def _diagnose_cluster(name: str, *, as_json: bool) -> None:
    from civicbench.core.errors import InvalidInputError
    from civicbench.core.workspace import Workspace
    from civicbench.launch.slurm.profile import load_cluster
    from civicbench.pipeline.cluster.diagnosing import diagnose_cluster

    findings = diagnose_cluster(load_cluster(name), workspace=Workspace.locate())
    if as_json:
        print_json([finding.model_dump(mode="json") for finding in findings])
    else:
        print_findings(findings)
    failed = [finding.what for finding in findings if finding.state == "bad"]
    if failed:
        raise InvalidInputError(
            f"{len(failed)} checks failed",
            where=f"cluster {name}",
            got=", ".join(failed),
            remedy="see what to do beside each",
        )


def _diagnose_recipe(name: str, *, example: str | None, as_json: bool) -> None:
    from civicbench.core.errors import InvalidInputError
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.recipe_diagnosis import diagnose_recipe
    from civicbench.recipes.loading import load_recipe

    found = diagnose_recipe(
        load_recipe(name), example=example, workspace=Workspace.locate(), reporter=Reporter()
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_findings(found.findings)
        if found.example is not None:
            print_tokens(found.example)
    if found.failed:
        raise InvalidInputError(
            f"{len(found.failed)} checks failed",
            where=f"recipe {name}",
            got=", ".join(found.failed),
            remedy="see what to do beside each",
        )
