"""What is kept about a training run."""

from pydantic import BaseModel, ConfigDict


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CurvePoint(_Fact):
    """One point of the loss curve."""

    step: int
    """Optimiser step, from 1."""
    loss: float
    """Mean loss per trained token since the point before, in nats."""
    learning_rate: float | None = None
    """Learning rate at that step; None for held-out points."""
    gradient_norm: float | None = None
    """Norm of the step's gradient before clipping; None for held-out points."""


class TrainingRecord(_Fact):
    """A training run: `training.json` beside `adapter/`; a function of its inputs alone."""

    method: str
    """What was trained: "lora" or "full"."""
    settings: dict[str, str | int | float | bool | list[str] | None]
    """The resolved training settings, but for those that leave the outcome as it is."""
    seed: int
    """Seed of weights, order and dropout."""
    rows: int
    """Training rows."""
    epochs: float
    """Passes over the rows."""
    steps: int
    """Optimiser steps."""
    prompt_tokens: int
    """Tokens of the prompts in one epoch (not trained on)."""
    trained_tokens: int
    """Tokens with a loss in one epoch."""
    trainable_parameters: int
    """Weights that were trained."""
    kept_step: int | None = None
    """The step whose weights were kept, where that is not the last."""
    stopped_early: bool = False
    """Whether the held-out loss no longer fell and training ended before its last step."""
    curve: tuple[CurvePoint, ...]
    """Training loss, step by step."""
    held_out_curve: tuple[CurvePoint, ...]
    """Loss on the validation split; empty where there is none."""
    adapter_digest: str
    """Digest of the adapter's files."""
    base_weights_digest: str
    """Digest of the base model's weights."""
    snapshot_digest: str
    """Digest of the dataset snapshot."""
    template_digest: str
    """Digest of the chat template."""
    packages: dict[str, str]
    """Versions of the packages that shaped the result."""
    code_version: str
    """Version of Civicbench and digest of its source."""


class TrainingMeasurements(_Fact):
    """What differs between equal runs: `measurements.json`."""

    machine: str
    """Processor or device, in words."""
    wall_time_s: float
    """Time of the training loop, over all attempts."""
    tokens_per_second: float
    """Tokens of rows (no padding) per second of the training loop's last attempt."""
    peak_memory_bytes: int
    """Peak resident memory of the process."""
    resumed_from_step: int | None
    """The checkpoint that the last attempt started from."""
