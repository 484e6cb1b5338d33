"""Training settings (`training/*.yaml` and what a recipe changes)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.core.settings import Settings

Positive = Annotated[int, Field(gt=0)]


class TrainingSettings(Settings):
    """How a model is fine-tuned."""

    method: Literal["lora", "qlora"]
    """lora: a low-rank adapter (arXiv 2106.09685); qlora: the same on a 4-bit base (2305.14314)."""
    rank: Positive
    """Rank of the adapter's matrices."""
    alpha: Annotated[float, Field(gt=0)]
    """Scale of the adapter: its output is multiplied by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Share of the adapter's inputs that is dropped in training."""
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)]
    """Layers that get an adapter: all linear layers but the head, or names such as q_proj."""
    epochs: Annotated[float, Field(gt=0)]
    """Passes over the training rows."""
    batch_size_rows: Positive
    """Rows of one forward pass on one device."""
    gradient_accumulation_steps: Positive
    """Forward passes before each optimiser step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Highest learning rate."""
    schedule: Literal["constant", "linear", "cosine"]
    """How the learning rate falls after warm-up."""
    warmup_share: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)]
    """AdamW's weight decay."""
    maximum_gradient_norm: Annotated[float, Field(gt=0)]
    """Gradients with a larger norm are scaled down to it."""
    precision: Literal["float32", "bfloat16"]
    """Number format of the base's weights; adapter and optimiser stay in float32."""
    max_length_tokens: Positive
    """A row with more tokens is refused before training; nothing is ever cut."""
    gradient_checkpointing: bool
    """Compute activations again in the backward pass, to save memory for time."""
    checkpoint_every_steps: Positive
    """Optimiser steps between checkpoints."""
    checkpoints_kept: Positive
    """How many checkpoints are kept while training."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of adapter weights, order of rows and dropout."""

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainingSettings":
        if self.method == "qlora" and self.precision == "float32":
            raise ValueError("qlora computes in bfloat16: set precision to bfloat16")
        return self


class TrainingMethod(Settings):
    """A training method's file: what it is, and its settings."""

    name: str
    """The name that recipes use; equals the file's name."""
    title: str
    """The name that people use."""
    description: str
    """When to use it."""
    settings: TrainingSettings
    """Its settings; a recipe may change single ones."""
