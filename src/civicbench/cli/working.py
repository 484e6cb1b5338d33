"""Commands that do work."""

import click

from civicbench.cli.comparisons import print_comparisons
from civicbench.cli.gates import print_gate
from civicbench.cli.output import print_json
from civicbench.cli.stopping import stops_when_asked

recipe_argument = click.argument("recipe")
overrides_argument = click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.command()
@recipe_argument
@overrides_argument
@_json
def run(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run RECIPE the whole way: data, training, evaluation, registry, card.

    Stages that stand done are not run again. Exits with 3 where the gate is not met, and with 75
    where SIGTERM or SIGUSR1 stopped it: the same command goes on. Started by torchrun, its
    processes share training and scoring.
    """
    from civicbench.core.digests import short
    from civicbench.core.errors import GateFailedError
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.running import run_recipe
    from civicbench.pipeline.sharing import shared_ranks
    from civicbench.recipes.loading import load_recipe

    workspace = Workspace.locate()
    with stops_when_asked(), shared_ranks(workspace=workspace) as ranks:
        if ranks is not None and ranks.rank > 0:
            return
        loaded = load_recipe(recipe, overrides=overrides)
        outcome = run_recipe(loaded, workspace=workspace, reporter=Reporter(), ranks=ranks)
    if as_json:
        print_json(
            {
                "version": outcome.version.model_dump(mode="json"),
                "gate": outcome.gate.model_dump(mode="json") | {"passed": outcome.gate.passed},
                "comparisons": [
                    c.model_dump(mode="json", exclude={"slices", "flips"})
                    for c in outcome.comparisons
                ],
                "card_html": str(outcome.card_html),
                "card_markdown": str(outcome.card_markdown),
            }
        )
    else:
        print_comparisons([c for c in outcome.comparisons if c.headline])
        print_gate(outcome.gate)
        version = outcome.version
        click.echo(f"Version: {version.model}:{version.number} ({short(version.digest)})")
        click.echo(f"Card: {outcome.card_html}")
        click.echo(f"      {outcome.card_markdown}")
    if not outcome.gate.passed:
        raise GateFailedError(
            "the version is registered, and its gate is not met",
            where=f"gate {outcome.gate.gate}",
            got=", ".join(outcome.gate.unmet),
        )


@click.command()
@recipe_argument
@overrides_argument
@click.option(
    "--resume", "must_resume", is_flag=True,
    help="Go on from a checkpoint of this very run, or refuse and say what differs.",
)  # fmt: skip
def train(recipe: str, overrides: tuple[str, ...], must_resume: bool) -> None:
    """Run RECIPE up to its trained weights.

    Goes on from the last whole checkpoint by itself. Exits with 75 where SIGTERM or SIGUSR1
    stopped it, with a checkpoint of the last step. Started by torchrun, its processes share
    each step.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.running import run_training
    from civicbench.pipeline.sharing import shared_ranks
    from civicbench.recipes.loading import load_recipe

    workspace = Workspace.locate()
    loaded = load_recipe(recipe, overrides=overrides)
    with stops_when_asked(), shared_ranks(workspace=workspace) as ranks:
        if ranks is not None and ranks.rank > 0:
            return
        _, output = run_training(
            loaded,
            workspace=workspace,
            reporter=Reporter(),
            ranks=ranks,
            must_resume=must_resume,
        )
    made = "Model" if loaded.training.method == "full" else "Adapter"
    click.echo(f"{made}: {output.folder / 'adapter'}")
