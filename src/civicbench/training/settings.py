"""Training settings (`training/*.yaml` and what a recipe changes)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from civicbench.core.settings import Settings
from civicbench.models.loading import Precision, Quantisation, fastest_precision

Positive = Annotated[int, Field(gt=0)]
AUTO = "auto"
_ADAPTER_SETTINGS = ("rank", "alpha", "target_modules")


def _chosen_precision(value: object) -> object:
    """Settle "auto" when settings are read: what follows names and keeps what was computed in."""
    return fastest_precision() if value == "auto" else value


class TrainingSettings(Settings):
    """How a model is fine-tuned."""

    method: Literal["lora", "full"]
    """lora: a low-rank adapter (arXiv 2106.09685); full: every weight of a small model."""
    objective: Literal["sft", "dpo"] = "sft"
    """sft: learn the answers; dpo: prefer the chosen answer to the rejected one (2305.18290)."""
    quantisation: Quantisation | None = None
    """Hold the frozen base in nf4 (QLoRA, arXiv 2305.14314) or int8 (2208.07339); null for not."""
    rank: Positive | None
    """Rank of the adapter's matrices; null for full."""
    alpha: Annotated[float, Field(gt=0)] | None
    """Scale of the adapter: its output is multiplied by alpha / rank; null for full."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Share of the adapter's inputs that is dropped in training; 0 for full."""
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] | None
    """Layers that get an adapter: all linear layers but the head, or names such as q_proj."""
    rank_stabilised: bool = False
    """Multiply the adapter's output by alpha / sqrt(rank) instead (rsLoRA, arXiv 2312.03732)."""
    weight_decomposed: bool = False
    """Train direction and magnitude of weights apart (DoRA, arXiv 2402.09353)."""
    initialisation: Literal["zero", "pissa"] = "zero"
    """zero: the adapter starts as nothing; pissa: as the base's principal part (2404.02948)."""
    b_learning_rate_ratio: Annotated[float, Field(ge=1)] = 1.0
    """Learning rate of the adapter's B matrices over that of its A matrices (LoRA+, 2402.12354)."""
    preference_beta: Annotated[float, Field(gt=0)] | None = None
    """How strongly dpo holds the model to its reference; null for sft."""
    epochs: Annotated[float, Field(gt=0)]
    """Passes over the training rows."""
    batch_size_rows: Positive
    """Rows of one optimiser step, over all devices."""
    gradient_accumulation_steps: Positive
    """Forward passes into which a device splits its rows of a step, at least."""
    micro_batch_tokens: Positive | None = None
    """Most tokens of one forward pass: a step takes more passes where its rows have more."""
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
    precision: Annotated[
        Precision,
        BeforeValidator(_chosen_precision),
        WithJsonSchema({"enum": ["auto", "float32", "bfloat16"], "type": "string"}),
    ]
    """Format of the base's weights (adapter and optimiser: float32); auto: what is fastest here."""
    max_length_tokens: Positive
    """A row with more tokens is refused before training; nothing is ever cut."""
    gradient_checkpointing: bool
    """Compute activations again in the backward pass, to save memory for time."""
    kernels: Literal["auto", "plain"] = "auto"
    """auto: fused AdamW, and on a GPU Liger's kernels where installed; plain: PyTorch's own."""
    distributed: str = AUTO
    """How processes share training: a file of training/distributed/; auto for a copy in each."""
    held_out_every_steps: Positive | None = None
    """Steps between two held-out losses; null for one at each epoch's end."""
    early_stopping_patience: Positive | None = None
    """Stop after so many held-out losses without a better one; null for never."""
    keep: Literal["last", "best"] = "last"
    """Which weights become the result: the last, or those with the lowest held-out loss."""
    checkpoint_every_steps: Positive
    """Optimiser steps between checkpoints."""
    checkpoints_kept: Positive
    """How many checkpoints are kept while training, besides the best."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of adapter weights, order of rows and dropout."""

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainingSettings":
        problems = [
            *(self._full_problems() if self.method == "full" else self._adapter_problems()),
            *self._objective_problems(),
        ]
        if self.quantisation == "nf4" and self.precision == "float32":
            problems.append("a base in nf4 computes in bfloat16: set precision to bfloat16")
        if self.batch_size_rows < self.gradient_accumulation_steps:
            problems.append(
                f"gradient_accumulation_steps splits a step of batch_size_rows "
                f"{self.batch_size_rows} into {self.gradient_accumulation_steps} passes: "
                "each needs a row"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _adapter_problems(self) -> list[str]:
        absent = [n for n in _ADAPTER_SETTINGS if getattr(self, n) is None]
        problems = [f"lora needs {name}" for name in absent]
        if self.initialisation == "pissa" and self.quantisation is not None:
            problems.append("pissa changes the base's weights, which quantisation holds frozen")
        if self.initialisation == "pissa" and self.weight_decomposed:
            problems.append("choose pissa or weight_decomposed: their starts contradict each other")
        return problems

    def _full_problems(self) -> list[str]:
        named = [name for name in _ADAPTER_SETTINGS if getattr(self, name) is not None]
        changed = [name for name in ("rank_stabilised", "weight_decomposed") if getattr(self, name)]
        if self.dropout:
            changed.append("dropout")
        if self.initialisation != "zero":
            changed.append("initialisation")
        if self.b_learning_rate_ratio != 1.0:
            changed.append("b_learning_rate_ratio")
        problems = [f"full has no adapter: {name} means nothing" for name in (*named, *changed)]
        if self.quantisation is not None:
            problems.append("full trains every weight, and quantised weights cannot be trained")
        return problems

    def _objective_problems(self) -> list[str]:
        if self.objective == "dpo" and self.preference_beta is None:
            return ["dpo needs preference_beta"]
        if self.objective == "dpo" and self.method == "full":
            return ["dpo takes the base below the adapter as its reference: set method to lora"]
        if self.objective == "dpo" and self.initialisation == "pissa":
            return ["pissa leaves no base below the adapter, which dpo takes as its reference"]
        if self.objective == "sft" and self.preference_beta is not None:
            return ["preference_beta belongs to dpo: set it to null"]
        return []


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
