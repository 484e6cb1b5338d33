"""What a run would do: nothing is changed, fetched or kept."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.core.environment import memory_bytes
from civicbench.core.stages import find_finished
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import read_record
from civicbench.datasets.record import SourceFact
from civicbench.datasets.rows import Row
from civicbench.evaluation.prompt_proof import system_turns_of
from civicbench.evaluation.scoring import Subject, score_stage
from civicbench.models.prepare import PreparedModel, find_prepared
from civicbench.models.rendering import load_renderer
from civicbench.pipeline.inputs import suite_items
from civicbench.pipeline.mixing import TrainingData, conversations_of, read_training_data
from civicbench.pipeline.planned_data import (
    PlannedData,
    PlannedSnapshots,
    find_or_write_snapshots,
    mixed_sources,
    plan_data,
)
from civicbench.recipes.loading import Recipe
from civicbench.registry.gates import Rule
from civicbench.training.memory import (
    MemoryPlan,
    adapter_parameters,
    plan_memory,
    training_operations_per_token,
)
from civicbench.training.running import read_training_record, training_stage

# English text in Llama-like vocabularies; used only where the tokenizer is not here.
_CHARACTERS_PER_TOKEN = 4.0
_TEMPLATE_TOKENS_PER_TURN = 5
# Share of the measured matrix-product rate that whole training steps reached on two cores.
_TRAINING_EFFICIENCY = 0.7
_CALIBRATION_WIDTH = 1024
_CALIBRATION_ROUNDS = 8
_GIGABYTE = 1e9


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PlannedStage(_Part):
    """One stage of the run."""

    name: str
    """The stage."""
    done: bool
    """Whether its finished output stands."""


class PlannedTokens(_Part):
    """What training reads."""

    rows: int
    """Training rows."""
    tokens: int
    """Tokens of one epoch, prompts and answers, those of both answers of a preference."""
    longest_row: int
    """Tokens of the longest row."""
    longest_answer: int
    """Tokens of the longest answer."""
    too_long: int
    """Rows longer than the limit: training would refuse them."""
    exact: bool
    """False where the tokenizer is not here and tokens are estimated from characters."""


class PlannedMemory(_Part):
    """Peak memory of training on each device, in gigabytes; rough."""

    weights_gb: float
    """The base model."""
    adapter_gb: float
    """Adapter, gradients and optimiser."""
    activations_gb: float
    """What the backward pass needs."""
    logits_gb: float
    """The output head's results."""
    total_gb: float
    """All parts."""
    available_gb: float
    """What the device has: the recipe's hardware, or this machine."""
    fits: bool
    """Whether the total is within it."""


class Plan(_Part):
    """What a run would do."""

    recipe: str
    """The recipe."""
    resolved: str
    """Its resolved settings as YAML."""
    digest: str
    """Their digest."""
    model: str
    """The base model's name for people."""
    parameters: int
    """Its weights."""
    trainable_parameters: int
    """The adapter's weights."""
    licence: str
    """The base model's licence."""
    licence_duties: tuple[str, ...]
    """What it asks of whoever passes the result on."""
    registered_name: str
    """The model's name in the registry."""
    splits: dict[str, int]
    """Rows of the recipe's own dataset by split."""
    data: tuple[PlannedData, ...]
    """Training rows by dataset, the recipe's own first."""
    sources: tuple[SourceFact, ...]
    """The datasets' sources with their licences."""
    tokens: PlannedTokens
    """What training reads."""
    steps: int
    """Optimiser steps."""
    devices: int
    """Devices that the layers are spread over."""
    memory: PlannedMemory
    """Memory on each device."""
    training_time_s: float | None
    """Estimated training time on this machine; None where the recipe is meant for GPUs."""
    stages: tuple[PlannedStage, ...]
    """The stages, and which stand done."""
    gate: str
    """The gate."""
    rules: tuple[Rule, ...]
    """Its rules."""


def plan_recipe(recipe: Recipe, *, workspace: Workspace) -> Plan:
    """Return what a run of a recipe would do here.

    Raises:
        InvalidInputError: The dataset or a suite has mistakes.
    """
    prepared = find_prepared(recipe.model, workspace=workspace)
    with tempfile.TemporaryDirectory() as name:
        snapshots = find_or_write_snapshots(recipe, folder=Path(name), workspace=workspace)
        return _plan(recipe, prepared, snapshots, workspace=workspace)


def _plan(
    recipe: Recipe,
    prepared: PreparedModel | None,
    snapshots: PlannedSnapshots,
    *,
    workspace: Workspace,
) -> Plan:
    record = read_record(snapshots.own)
    data = read_training_data(recipe, snapshot=snapshots.own, mixed=snapshots.mixed)
    tokens = _tokens(recipe, prepared, data.rows)
    settings = recipe.training
    batches = -(-tokens.rows // settings.batch_size_rows)
    per_epoch = max(-(-batches // settings.gradient_accumulation_steps), 1)
    hardware = recipe.settings.hardware
    devices = hardware.devices if hardware else 1
    memory = plan_memory(
        recipe.model.architecture,
        settings,
        row_tokens=tokens.longest_row,
        trained_row_tokens=tokens.longest_answer,
    )
    available = hardware.memory_gb * _GIGABYTE if hardware else float(memory_bytes()[1])
    return Plan(
        recipe=recipe.settings.name,
        resolved=recipe.resolved_yaml,
        digest=recipe.digest,
        model=recipe.model.title,
        parameters=recipe.model.architecture.parameters,
        trainable_parameters=adapter_parameters(recipe.model.architecture, rank=settings.rank or 0),
        licence=recipe.model.licence.name,
        licence_duties=recipe.model.licence.duties,
        registered_name=recipe.registered_name,
        splits={split.name: split.rows for split in record.splits},
        data=plan_data(record, data),
        sources=(*record.sources, *mixed_sources(data)),
        tokens=tokens,
        steps=max(round(per_epoch * settings.epochs), 1),
        devices=devices,
        memory=_per_device(memory, devices=devices, available=available),
        training_time_s=None if hardware else _time_s(recipe, tokens),
        stages=_stages(recipe, prepared, snapshots, data, workspace=workspace),
        gate=recipe.gate.name,
        rules=recipe.gate.rules,
    )


def _tokens(recipe: Recipe, prepared: PreparedModel | None, rows: Sequence[Row]) -> PlannedTokens:
    conversations = [turns for row in rows for turns in conversations_of(row)]
    if prepared is not None:
        renderer = load_renderer(prepared)
        rendered = [renderer.render_example(messages) for messages in conversations]
        lengths = [len(e.prompt_ids) + len(e.completion_ids) for e in rendered]
        answers = [len(e.completion_ids) for e in rendered]
    else:
        turns = [[len(m.content) / _CHARACTERS_PER_TOKEN for m in c] for c in conversations]
        lengths = [int(sum(t) + _TEMPLATE_TOKENS_PER_TURN * len(t)) for t in turns]
        answers = [int(t[-1]) + 1 for t in turns]
    return PlannedTokens(
        rows=len(rows),
        tokens=sum(lengths),
        longest_row=max(lengths),
        longest_answer=max(answers),
        too_long=sum(length > recipe.training.max_length_tokens for length in lengths),
        exact=prepared is not None,
    )


def _per_device(plan: MemoryPlan, *, devices: int, available: float) -> PlannedMemory:
    # Layers are spread evenly; a batch passes through one device after the other.
    weights = plan.weights / devices
    adapter = plan.adapter / devices
    activations = plan.activations / devices
    total = weights + adapter + activations + plan.logits
    return PlannedMemory(
        weights_gb=_gb(weights),
        adapter_gb=_gb(adapter),
        activations_gb=_gb(activations),
        logits_gb=_gb(plan.logits),
        total_gb=_gb(total),
        available_gb=_gb(available),
        fits=total <= available,
    )


def _gb(value: float) -> float:
    return round(value / _GIGABYTE, 2)


def _time_s(recipe: Recipe, tokens: PlannedTokens) -> float:
    """Estimate training time from a short matrix-product calibration on this machine."""
    import torch

    from civicbench.models.loading import torch_precision

    matrix = torch.ones(_CALIBRATION_WIDTH, _CALIBRATION_WIDTH).to(
        torch_precision(recipe.training.precision)
    )
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(_CALIBRATION_ROUNDS):
        matrix @ matrix
    elapsed = time.perf_counter() - started
    rate = _CALIBRATION_ROUNDS * 2 * _CALIBRATION_WIDTH**3 / elapsed
    needed = tokens.tokens * recipe.training.epochs
    operations = needed * training_operations_per_token(recipe.model.architecture)
    return round(operations / (rate * _TRAINING_EFFICIENCY), 1)


def _stages(
    recipe: Recipe,
    prepared: PreparedModel | None,
    snapshots: PlannedSnapshots,
    data: TrainingData,
    *,
    workspace: Workspace,
) -> tuple[PlannedStage, ...]:
    stages = [
        *(PlannedStage(name=f"dataset {name}", done=done) for name, done in snapshots.done),
        PlannedStage(name=f"base model {recipe.model.name}", done=prepared is not None),
    ]
    trained = None
    if prepared is not None:
        stage = training_stage(
            recipe.training, prepared, snapshot_digest=data.digest, workspace=workspace
        )
        trained = find_finished(stage)
    name = f"training {recipe.training.method} on {recipe.model.name}"
    stages.append(PlannedStage(name=name, done=trained is not None))
    adapter = read_training_record(trained.folder).adapter_digest if trained else None
    system_turns = system_turns_of([row.messages for row in data.rows])
    for role in ("base", "tuned"):
        for suite in recipe.suites:
            done = False
            if prepared is not None and (role == "base" or adapter is not None):
                subject = Subject(
                    role="base" if role == "base" else "tuned",
                    base=prepared.record,
                    adapter_digest=adapter if role == "tuned" else None,
                    precision=recipe.settings.evaluation_precision,
                    quantisation=recipe.training.quantisation,
                    engine=recipe.settings.evaluation_engine,
                    trained_system_turns=system_turns,
                )
                items = suite_items(suite, snapshot=snapshots.own)
                scored = score_stage(suite.settings, items, subject, workspace=workspace)
                done = find_finished(scored) is not None
            stages.append(
                PlannedStage(name=f"suite {suite.settings.name}, {role} model", done=done)
            )
    return tuple(stages)
