"""A plan as it is shown."""

from pydantic import BaseModel, ConfigDict

from civicbench.datasets.record import SourceFact
from civicbench.pipeline.planned_data import PlannedData
from civicbench.registry.gates import AnyRule


class Part(BaseModel):
    """A part of a plan: frozen, its fields documented."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PlannedStage(Part):
    """One stage of the run."""

    name: str
    """The stage."""
    done: bool
    """Whether its finished output stands."""


class PlannedTokens(Part):
    """What training reads."""

    rows: int
    """Training rows."""
    tokens: int
    """Tokens of one epoch, prompts and answers, those of both answers of a preference."""
    trained_tokens: int
    """Those of them that are trained on."""
    computed_tokens: int
    """Tokens of one epoch that are computed: what rows of a pass begin with counts once."""
    padding_share: float
    """Share of padding in what is computed: 0, because rows are packed one after another."""
    longest_row: int
    """Tokens of the longest row."""
    longest_answer: int
    """Tokens of the longest answer."""
    truncated: int
    """Rows that would be cut: always 0, because a row that is too long is refused."""
    too_long: int
    """Rows longer than the limit: training would refuse them."""
    too_long_rows: tuple[str, ...]
    """Their names, the longest first; ten at most."""
    exact: bool
    """False where the tokenizer is not here and tokens are estimated from characters."""


class PlannedSteps(Part):
    """How training goes through the rows."""

    steps: int
    """Optimiser steps."""
    passes_a_step: int
    """Forward passes of a process in the step that takes most of them."""
    largest_pass_tokens: int
    """Tokens of the largest forward pass."""


class PlannedMemory(Part):
    """Memory of each device at the moment that needs most of it, in gigabytes (10^9 bytes)."""

    weights_gb: float
    """The base model."""
    adapter_gb: float
    """The adapter's weights."""
    gradients_gb: float
    """Gradients of trained weights."""
    optimiser_gb: float
    """AdamW's two moments."""
    activations_gb: float
    """What forward passes keep for backward passes."""
    logits_gb: float
    """The output head's results and their gradients."""
    workspace_gb: float
    """Temporary tensors, allocator, and what the process itself holds."""
    total_gb: float
    """All parts."""
    available_gb: float
    """What each device has."""
    fits: bool
    """Whether the total is within it."""
    moment: str
    """Which moment that is."""
    sharding: str
    """How devices share the work."""
    sharding_in_words: str
    """What that means."""


class PlannedTime(Part):
    """How long training takes, and what energy that is."""

    training_s: float | None
    """Seconds; None where nothing is known of the device's speed."""
    how: str
    """How that was estimated."""
    energy_kwh: float | None
    """Kilowatt-hours; None where nothing is known of the device's power."""
    energy_assumption: str
    """What that takes for granted. Carbon is not guessed."""


class PlannedKernel(Part):
    """A kernel that training would compute with."""

    part: str
    """What it computes."""
    name: str
    """The kernel."""
    why: str
    """Why it was chosen."""


class PlannedFit(Part):
    """A way to make the run fit."""

    overrides: tuple[str, ...]
    """What to add to the command; empty where nothing has to be changed."""
    command: str
    """The whole command."""
    costs: tuple[str, ...]
    """What the changes cost, in words."""
    sharding: str
    """How devices share the work."""
    passes_a_step: int
    """Forward passes of a process in the step that takes most of them."""
    total_gb: float
    """Memory of each device."""


class PlannedFits(Part):
    """What `--fit` found."""

    ways: tuple[PlannedFit, ...]
    """Ways that fit, the cheapest first."""
    short_by_gb: float
    """What is missing on each device with every change; 0 where something fits."""
    shared_out_gb: float | None
    """What FSDP2 (ZeRO-3) would need of each device, which nothing here runs yet; else None."""


class Plan(Part):
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
    """The weights that training moves."""
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
    steps: PlannedSteps
    """How it goes through them."""
    hardware: str
    """What the plan is for, in words."""
    devices: int
    """How many devices that is."""
    memory: PlannedMemory
    """Memory on each device."""
    time: PlannedTime
    """Time and energy."""
    kernels: tuple[PlannedKernel, ...]
    """What training would compute with."""
    fits: PlannedFits | None
    """Ways to make it fit; None where `--fit` was not asked for."""
    stages: tuple[PlannedStage, ...]
    """The stages, and which stand done."""
    gate: str
    """The gate."""
    rules: tuple[AnyRule, ...]
    """Its rules."""
