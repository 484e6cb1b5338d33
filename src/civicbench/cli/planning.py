"""The command that plans a run."""

from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table
from civicbench.cli.working import overrides_argument, recipe_argument

if TYPE_CHECKING:
    from civicbench.pipeline.planning.plan import Plan, PlannedFits

_SHARDINGS = ("ddp", "layers", "zero1", "zero2", "zero3")


@click.command()
@recipe_argument
@overrides_argument
@click.option(
    "--for", "hardware", metavar="HARDWARE",
    help='Plan for GPUs that are not here: "8x H100-80GB", "1x L4-24GB" or "2x 80GB".',
)  # fmt: skip
@click.option(
    "--sharding", type=click.Choice(_SHARDINGS),
    help="How several share: a copy on each, layers in turn, or parts (zero3 is FSDP2's).",
)  # fmt: skip
@click.option(
    "--processes", type=click.IntRange(min=1),
    help="Plan for this machine shared by so many processes, as `launch --processes` starts them.",
)  # fmt: skip
@click.option("--fit", is_flag=True, help="Propose changes that make it fit, cheapest first.")
@click.option("--allow-quantisation", is_flag=True, help="Let --fit hold the base in 4 bits.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plan(
    recipe: str,
    overrides: tuple[str, ...],
    hardware: str | None,
    sharding: str | None,
    processes: int | None,
    fit: bool,
    allow_quantisation: bool,
    as_json: bool,
) -> None:
    """Show what a run of RECIPE would do and need; change nothing."""
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.planning.making import Wish, plan_recipe
    from civicbench.recipes.loading import load_recipe
    from civicbench.training.devices import parse_devices

    wish = Wish(
        devices=parse_devices(hardware) if hardware is not None else None,
        sharding=sharding,  # type: ignore[arg-type]  # one of the choices above
        processes=processes,
        fit=fit,
        allow_quantisation=allow_quantisation,
    )
    made = plan_recipe(
        load_recipe(recipe, overrides=overrides), workspace=Workspace.locate(), wish=wish
    )
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        _print_plan(made)


def _print_plan(made: "Plan") -> None:
    click.echo(made.resolved)
    lines = [
        ("Base model", f"{made.model}, {made.parameters:,} weights, {made.licence}"),
        ("Registered as", made.registered_name),
        ("Rows", ", ".join(f"{name} {rows}" for name, rows in made.splits.items())),
        *(
            (
                "Trained on",
                f"{part.dataset}: {part.rows:,} of {part.available:,} rows, {part.share:.1%} of "
                f"all; {part.licence}",
            )
            for part in made.data
        ),
        ("Data licences", ", ".join(f"{s.name}: {s.licence}" for s in made.sources)),
        *_training_lines(made),
        *_memory_lines(made),
        ("Gate", f"{made.gate}: {', '.join(rule.name for rule in made.rules)}"),
        *(("Licence duty", duty) for duty in made.licence_duties),
    ]
    print_table("", ("", ""), lines)
    if made.fits is not None:
        _print_fits(made.fits, fits=made.memory.fits)
    stages = [(stage.name, "done" if stage.done else "to do") for stage in made.stages]
    print_table("", ("stage", "state"), stages)


def _training_lines(made: "Plan") -> list[tuple[str, str]]:
    tokens, steps, time = made.tokens, made.steps, made.time
    about = "" if tokens.exact else " (estimated: the tokenizer is not here)"
    too_long = f"{tokens.too_long}"
    if tokens.too_long:
        too_long += f": {', '.join(tokens.too_long_rows)}; training refuses them"
    lines = [
        (
            "Tokens",
            f"{tokens.tokens:,} an epoch, {tokens.trained_tokens:,} of them trained on, longest "
            f"row {tokens.longest_row}{about}",
        ),
        ("Computed", f"{tokens.computed_tokens:,} tokens an epoch, padding 0 %, no row cut"),
        ("Rows too long", too_long),
        (
            "Steps",
            f"{steps.steps:,}, each of up to {steps.passes_a_step} forward passes of up to "
            f"{steps.largest_pass_tokens:,} tokens",
        ),
        ("Trained weights", f"{made.trainable_parameters:,}"),
        *((f"Kernel, {kernel.part}", f"{kernel.name}: {kernel.why}") for kernel in made.kernels),
    ]
    seconds = time.training_s
    lines.append(
        ("Training time", time.how if seconds is None else f"{_duration(seconds)} ({time.how})")
    )
    if time.energy_kwh is not None:
        lines.append(("Energy", f"{time.energy_kwh:.2g} kWh ({time.energy_assumption})"))
    return lines


def _memory_lines(made: "Plan") -> list[tuple[str, str]]:
    memory = made.memory
    parts = (
        ("weights", memory.weights_gb), ("adapter", memory.adapter_gb),
        ("gradients", memory.gradients_gb), ("optimiser", memory.optimiser_gb),
        ("activations", memory.activations_gb), ("logits", memory.logits_gb),
        ("workspace", memory.workspace_gb),
    )  # fmt: skip
    total = f"{memory.total_gb:.2f} GB of {memory.available_gb:.2f} GB"
    return [
        ("Hardware", made.hardware),
        *([("Shared", memory.sharding_in_words)] if made.devices > 1 else []),
        (
            "Memory" if made.devices == 1 else f"Memory, each of {made.devices}",
            total + ("" if memory.fits else "  DOES NOT FIT"),
        ),
        (f"  at its peak ({memory.moment})", ", ".join(f"{n} {v:.2f}" for n, v in parts)),
    ]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _print_fits(found: "PlannedFits", *, fits: bool) -> None:
    if fits:
        click.echo("It fits as it is.")
    if not found.ways:
        click.echo(
            f"Nothing fits: with every change each device is short by {found.short_by_gb:.2f} GB."
        )
        return
    rows = [
        (
            " ".join(way.overrides) or "nothing to change",
            f"{way.total_gb:.2f} GB",
            way.sharding,
            str(way.passes_a_step),
            "; ".join(way.costs) or "nothing",
        )
        for way in found.ways
    ]
    print_table("", ("would fit", "memory", "sharing", "passes", "costs"), rows)
    for way in found.ways:
        click.echo(way.command)
