"""Ways to make a recipe fit, as commands to paste."""

from civicbench.pipeline.planning.plan import PlannedFit, PlannedFits
from civicbench.pipeline.planning.target import Target
from civicbench.pipeline.planning.tokens import RowSizes
from civicbench.recipes.loading import Recipe
from civicbench.training.memory.fitting import Proposal, fit_memory
from civicbench.training.memory.passes import passes_a_step
from civicbench.training.memory.sharding import Sharding, row_processes


def find_fits(
    recipe: Recipe, sizes: RowSizes, *, target: Target, allow_quantisation: bool
) -> PlannedFits:
    """Return ways to make a recipe fit, the cheapest first.

    Args:
        recipe: The recipe.
        sizes: Its training rows.
        target: The devices.
        allow_quantisation: Whether the base may be held in nf4.
    """
    shardings: tuple[Sharding, ...] = ("none",)
    if target.devices > 1:
        # One process holds the layers in turn, which only GPUs are asked to do.
        shardings = ("ddp", "zero3", "layers") if target.on_gpu else ("ddp", "zero3")
    fitting = fit_memory(
        recipe.model.architecture,
        recipe.training,
        passes_of=sizes.passes,
        longest_row_tokens=max(sizes.lengths),
        available=target.memory_bytes,
        on_gpu=target.on_gpu,
        devices=target.devices,
        shardings=shardings,
        allow_quantisation=allow_quantisation,
    )
    missing = max(fitting.smallest.total - target.memory_bytes, 0.0)
    return PlannedFits(
        ways=tuple(_way(recipe, sizes, one, target=target) for one in fitting.proposals),
        short_by_gb=0.0 if fitting.proposals else round(missing / 1e9, 3),
    )


def _way(recipe: Recipe, sizes: RowSizes, one: Proposal, *, target: Target) -> PlannedFit:
    overrides = one.overrides(devices=target.devices, memory_bytes=target.memory_bytes)
    processes = row_processes(one.sharding, devices=target.devices)
    if processes > 1 and recipe.settings.hardware is not None:
        overrides = (*overrides, "hardware=null")
    start = ["civicbench", "launch", "--processes", str(processes)]
    if one.sharding == "zero3":
        start.append("--only-training")
    if processes == 1:
        start = ["civicbench", "run"]
    command = " ".join([*start, recipe.settings.name, *recipe.overrides, *overrides])
    return PlannedFit(
        overrides=overrides,
        command=command,
        costs=one.costs,
        sharding=one.sharding,
        passes_a_step=passes_a_step(one.settings, lengths=sizes.lengths, processes=processes),
        total_gb=round(one.plan.total / 1e9, 3),
    )
