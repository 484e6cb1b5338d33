"""Commands that take in a model that was trained elsewhere."""

from pathlib import Path

import click

from civicbench.cli.gates import print_gate
from civicbench.cli.output import print_json, printable
from civicbench.cli.stopping import stops_when_asked

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--base", required=True, help="The base model it stands on: a name of the catalogue.")
@click.option("--recipe", required=True, help="What it is for, its suites and its gate.")
@click.option("--origin", required=True,
              help="Who trained it, from what, and where it came from, in a sentence.")  # fmt: skip
@click.option("--name", help="Its name in the registry; the recipe's where not given.")
@_json
def import_version(
    folder: Path,
    overrides: tuple[str, ...],
    base: str,
    recipe: str,
    origin: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Register a model from FOLDER that was trained elsewhere, as a draft.

    FOLDER holds a PEFT LoRA adapter, or a whole (merged or fully trained) model, as safetensors.
    Pickles, code, links and adapters of another base are refused, and nothing is loaded. A draft
    cannot be approved: `civicbench registry evaluate` runs the suites of its recipe on it first.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.importing import import_model, load_import_recipe

    loaded = load_import_recipe(recipe, base=base, name=name, overrides=overrides)
    made = import_model(
        folder, loaded, origin=origin, workspace=Workspace.locate(), reporter=Reporter()
    )
    if as_json:
        print_json(
            {
                "version": made.version.model_dump(mode="json"),
                "trained_elsewhere": made.elsewhere.model_dump(mode="json"),
            }
        )
        return
    version = made.version
    click.echo(f"Version: {version.reference} ({version.digest[:12]}), {version.state}")
    click.echo(f"Trained elsewhere: {printable(made.elsewhere.origin)}")
    click.echo(f"Next: civicbench registry evaluate {version.reference}")


@click.command("evaluate")
@click.argument("version")
@_json
def evaluate_version(version: str, as_json: bool) -> None:
    """Run the suites of its recipe on an imported draft VERSION, and register what they found.

    The evaluated version stands in for the draft from then on. Exits with 3 where the gate is not
    met. Started by torchrun, all its processes share the scoring.
    """
    from civicbench.core.errors import GateFailedError
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.evaluating_imports import evaluate_import
    from civicbench.pipeline.sharing import shared_ranks

    workspace = Workspace.locate()
    with stops_when_asked(), shared_ranks(workspace=workspace) as ranks:
        if ranks is not None and ranks.rank > 0:
            return
        made = evaluate_import(version, workspace=workspace, reporter=Reporter(), ranks=ranks)
    if as_json:
        print_json(
            {
                "version": made.version.model_dump(mode="json"),
                "gate": made.gate.model_dump(mode="json") | {"passed": made.gate.passed},
                "card_html": str(made.card_html),
            }
        )
    else:
        print_gate(made.gate)
        click.echo(f"Version: {made.version.reference} ({made.version.digest[:12]})")
        click.echo(f"Card: {made.card_html}")
    if not made.gate.passed:
        raise GateFailedError(
            "the version is registered, and its gate is not met",
            where=f"gate {made.gate.gate}",
            got=", ".join(made.gate.unmet),
        )
