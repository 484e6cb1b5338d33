"""Commands that hand a registered version on."""

from pathlib import Path

import click

from civicbench.cli.output import print_json

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group()
def publish() -> None:
    """Hand a registered version on: as a Hugging Face repository, to MLflow, to W&B."""


@publish.command("hub")
@click.argument("version")
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True,
              help="Folder for the repository; must not stand yet.")  # fmt: skip
@click.option("--repository", metavar="OWNER/NAME", help="Its name on the hub.")
@click.option("--push", is_flag=True, help="Send it there; without this nothing leaves.")
@click.option("--unapproved", is_flag=True,
              help="Send it although nobody approved it; the repository is private.")  # fmt: skip
@_json
def publish_hub(
    version: str,
    folder: Path,
    repository: str | None,
    push: bool,
    unapproved: bool,
    as_json: bool,
) -> None:
    """Lay VERSION out as a Hugging Face repository, and push it where asked.

    The folder holds weights, tokenizer, card, evidence, and what the base's licence asks to go
    with them. A push of a version that nobody has approved ends with 4.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.publishing.hub import publish_to_hub

    made = publish_to_hub(
        version,
        folder=folder,
        repository=repository,
        push=push,
        unapproved=unapproved,
        workspace=Workspace.locate(),
        reporter=Reporter(),
    )
    if as_json:
        print_json({"folder": str(made.folder), "files": list(made.files), "commit": made.commit})
        return
    click.echo(f"Repository: {made.folder} ({len(made.files)} files)")
    click.echo(f"Pushed: {made.commit or 'no'}")


@publish.command("mlflow")
@click.argument("version")
@click.option("--to", "address", metavar="ADDRESS",
              help="Server or database; $MLFLOW_TRACKING_URI where not given.")  # fmt: skip
@click.option("--name", help="Name of the registered model there; the model's own by default.")
@_json
def publish_mlflow(version: str, address: str | None, name: str | None, as_json: bool) -> None:
    """Copy VERSION into an MLflow registry: a run with its files, and a model version.

    What stands there is a copy that anybody may change; decisions are recorded here alone. A
    version that was copied before is found by its digest, and its state is told anew.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.publishing.mlflow import publish_to_mlflow

    made = publish_to_mlflow(
        version, address=address, name=name, workspace=Workspace.locate(), reporter=Reporter()
    )
    if as_json:
        print_json(
            {"name": made.name, "version": made.number, "run": made.run, "reused": made.reused}
        )
        return
    said = "found" if made.reused else "made"
    click.echo(f"MLflow: {made.name} version {made.number} ({said}), run {made.run}")


@publish.command("wandb")
@click.argument("version")
@click.option("--project", default="civicbench", show_default=True, help="The project.")
@click.option("--to", "folder", type=click.Path(path_type=Path),
              help="Folder for the run; the workspace's own where not given.")  # fmt: skip
@_json
def publish_wandb(version: str, project: str, folder: Path | None, as_json: bool) -> None:
    """Write VERSION as an artefact of an offline W&B run; `wandb sync` sends it."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.publishing.wandb import publish_to_wandb

    workspace = Workspace.locate()
    made = publish_to_wandb(
        version,
        project=project,
        folder=folder or workspace.home / "trackers",
        workspace=workspace,
        reporter=Reporter(),
    )
    if as_json:
        print_json({"folder": str(made.folder), "artefact": made.artefact, "files": made.files})
        return
    click.echo(f"Run: {made.folder}\nArtefact: {made.artefact} ({made.files} files)")
