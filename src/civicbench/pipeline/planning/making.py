"""Making the plan of a recipe: nothing is changed, fetched or kept."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.workspace import Workspace
from civicbench.datasets.building import read_record
from civicbench.models.prepare import PreparedModel, find_prepared
from civicbench.pipeline.mixing import read_training_data
from civicbench.pipeline.planned_data import (
    PlannedSnapshots,
    find_or_write_snapshots,
    mixed_sources,
    plan_data,
)
from civicbench.pipeline.planning.fits import find_fits
from civicbench.pipeline.planning.plan import (
    Plan,
    PlannedKernel,
    PlannedMemory,
    PlannedSteps,
    PlannedTime,
)
from civicbench.pipeline.planning.stages import planned_stages
from civicbench.pipeline.planning.target import Target
from civicbench.pipeline.planning.timing import time_here, time_on_devices, training_operations
from civicbench.pipeline.planning.tokens import RowSizes, row_sizes
from civicbench.recipes.loading import Recipe
from civicbench.training.devices import Devices
from civicbench.training.kernels import chosen_kernels
from civicbench.training.memory.layers import trained_parameters
from civicbench.training.memory.passes import passes_a_step
from civicbench.training.memory.planning import MemoryPlan, plan_memory
from civicbench.training.memory.sharding import DESCRIPTIONS, Sharding, row_processes
from civicbench.training.ordering import StepOrder


@dataclass(frozen=True)
class Wish:
    """What a plan is asked to say beside the usual.

    Attributes:
        devices: GPUs to plan for in place of the recipe's hardware or this machine.
        sharding: How they share; None for the usual way.
        processes: How many processes share this machine; None for one.
        fit: Whether to look for ways to fit.
        allow_quantisation: Whether these may hold the base in nf4.
    """

    devices: Devices | None = None
    sharding: Sharding | None = None
    processes: int | None = None
    fit: bool = False
    allow_quantisation: bool = False


def plan_recipe(recipe: Recipe, *, workspace: Workspace, wish: Wish | None = None) -> Plan:
    """Return what a run of a recipe would do.

    Args:
        recipe: The recipe.
        workspace: Where finished stages are looked for.
        wish: What else is asked for.

    Raises:
        PartAbsentError: A source of the data is not on this machine.
        InvalidInputError: The dataset or a suite has mistakes.
    """
    prepared = find_prepared(recipe.model, workspace=workspace)
    with tempfile.TemporaryDirectory() as name:
        snapshots = find_or_write_snapshots(recipe, folder=Path(name), workspace=workspace)
        return _plan(recipe, prepared, snapshots, workspace=workspace, wish=wish or Wish())


def _plan(
    recipe: Recipe,
    prepared: PreparedModel | None,
    snapshots: PlannedSnapshots,
    *,
    workspace: Workspace,
    wish: Wish,
) -> Plan:
    record = read_record(snapshots.own)
    data = read_training_data(recipe, snapshot=snapshots.own, mixed=snapshots.mixed)
    sizes = row_sizes(prepared, data.rows)
    settings, shape = recipe.training, recipe.model.architecture
    target = Target.of(
        recipe, devices=wish.devices, sharding=wish.sharding, processes=wish.processes
    )
    processes = row_processes(target.sharding, devices=target.devices)
    tokens = sizes.planned(settings, processes=processes)
    passes = sizes.passes(settings, processes)
    memory = plan_memory(
        shape,
        settings,
        passes=passes,
        on_gpu=target.on_gpu,
        sharding=target.sharding,
        devices=target.devices,
    )
    order = StepOrder(
        tokens.rows,
        batch_size_rows=settings.batch_size_rows,
        epochs=settings.epochs,
        seed=settings.seed,
    )
    operations = training_operations(shape, settings, tokens)
    return Plan(
        recipe=recipe.settings.name,
        resolved=recipe.resolved_yaml,
        digest=recipe.digest,
        model=recipe.model.title,
        parameters=shape.parameters,
        trainable_parameters=trained_parameters(shape, settings),
        licence=recipe.model.licence.name,
        licence_duties=recipe.model.licence.duties,
        registered_name=recipe.registered_name,
        splits={split.name: split.rows for split in record.splits},
        data=plan_data(record, data),
        sources=(*record.sources, *mixed_sources(data)),
        tokens=tokens,
        steps=PlannedSteps(
            steps=order.steps,
            passes_a_step=passes_a_step(settings, lengths=sizes.lengths, processes=processes),
            largest_pass_tokens=max(size.tokens for size in passes),
        ),
        hardware=target.title,
        devices=target.devices,
        memory=_memory(memory, target=target),
        time=_time(recipe, target, operations, prepared=prepared, sizes=sizes, memory=memory),
        kernels=tuple(
            PlannedKernel(part=kernel.part, name=kernel.name, why=kernel.why)
            for kernel in chosen_kernels(settings, on_gpu=target.on_gpu)
        ),
        fits=find_fits(recipe, sizes, target=target, allow_quantisation=wish.allow_quantisation)
        if wish.fit
        else None,
        stages=planned_stages(recipe, prepared, snapshots, data, workspace=workspace),
        gate=recipe.gate.name,
        rules=recipe.gate.rules,
    )


def _memory(plan: MemoryPlan, *, target: Target) -> PlannedMemory:
    parts = {f"{name}_gb": _gb(value) for name, value in plan.by_part().items()}
    return PlannedMemory(
        **parts,
        total_gb=_gb(plan.total),
        available_gb=_gb(target.memory_bytes),
        fits=plan.total <= target.memory_bytes,
        moment=plan.moment,
        sharding=target.sharding,
        sharding_in_words=DESCRIPTIONS[target.sharding],
    )


def _gb(value: float) -> float:
    return round(value / 1e9, 3)


def _time(
    recipe: Recipe,
    target: Target,
    operations: float,
    *,
    prepared: PreparedModel | None,
    sizes: RowSizes,
    memory: MemoryPlan,
) -> PlannedTime:
    if target.gpus is not None:
        return time_on_devices(operations, target.gpus, in_turn=target.sharding == "layers")
    if target.on_gpu:
        unknown = "not estimated: write --for with a GPU of the catalogue"
        return PlannedTime(training_s=None, how=unknown, energy_kwh=None, energy_assumption=unknown)
    return time_here(
        operations,
        recipe.training,
        prepared=prepared,
        rows=sizes.rendered,
        fits=memory.total <= target.memory_bytes,
    )
