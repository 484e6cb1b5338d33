"""A rough plan of memory, time and tokens from architecture numbers alone."""

from dataclasses import dataclass

from civicbench.models.settings import Architecture
from civicbench.training.settings import TrainingSettings

_BYTES = {"float32": 4.0, "bfloat16": 2.0}
# nf4 with double quantisation: 4 bits and 0.127 bits of constants a weight (arXiv 2305.14314).
_NF4_BYTES = 4.127 / 8
# Weight, gradient and Adam's two moments, each in float32.
_TRAINED_BYTES = 16.0
# Kept for the backward pass of one decoder layer, in numbers a token: about 10 of the residual's
# width (norms, projections, adapters' inputs) and 4 of the feed-forward's.
_RESIDUAL_COPIES = 10
_FEED_FORWARD_COPIES = 4
# Logits, their float32 softmax and their gradient.
_LOGIT_COPIES = 3


@dataclass(frozen=True)
class MemoryPlan:
    """Peak memory of training by part, in bytes, over all devices. Rough: within about a third.

    Attributes:
        weights: The base model.
        adapter: Adapter weights, gradients and optimiser state.
        activations: What the backward pass needs.
        logits: The output head's results at trained positions.
    """

    weights: float
    adapter: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All parts together."""
        return self.weights + self.adapter + self.activations + self.logits


def adapter_parameters(architecture: Architecture, *, rank: int) -> int:
    """Return the weights of an adapter on every linear layer but the head.

    A layer from n to m numbers gets rank * (n + m) weights (arXiv 2106.09685).
    """
    width = architecture.hidden_size
    queries = architecture.attention_heads * architecture.head_size
    keys = architecture.key_value_heads * architecture.head_size
    attention = 2 * (width + queries) + 2 * (width + keys)
    feed_forward = 3 * (width + architecture.intermediate_size)
    return architecture.layers * rank * (attention + feed_forward)


def plan_memory(
    architecture: Architecture,
    settings: TrainingSettings,
    *,
    row_tokens: float,
    trained_row_tokens: float,
) -> MemoryPlan:
    """Return what training is expected to need.

    Args:
        architecture: The base model's numbers.
        settings: The training settings; layers other than all linear ones are counted as all.
        row_tokens: Tokens of the longest row.
        trained_row_tokens: Tokens of its answer.
    """
    width = _BYTES[settings.precision]
    embeddings = architecture.vocabulary_size * architecture.hidden_size
    inner = architecture.parameters - embeddings * (1 if architecture.tied_embeddings else 2)
    outer = architecture.parameters - inner
    weights = (
        inner * _NF4_BYTES + outer * width
        if settings.quantisation == "nf4"
        else architecture.parameters * width
    )
    tokens = settings.batch_size_rows * row_tokens
    layer = (
        _RESIDUAL_COPIES * architecture.hidden_size
        + _FEED_FORWARD_COPIES * architecture.intermediate_size
        + 2 * architecture.attention_heads * architecture.head_size
    )
    if settings.gradient_checkpointing:
        kept = architecture.layers * architecture.hidden_size + layer
    else:
        kept = architecture.layers * layer
    return MemoryPlan(
        weights=weights,
        adapter=adapter_parameters(architecture, rank=settings.rank or 0) * _TRAINED_BYTES,
        activations=tokens * kept * width,
        logits=settings.batch_size_rows
        * trained_row_tokens
        * architecture.vocabulary_size
        * 4
        * _LOGIT_COPIES,
    )


def training_operations_per_token(architecture: Architecture) -> float:
    """Return floating-point operations a trained token: twice the weights forward, twice back.

    The frozen weights get no gradient of their own, which spares a third of full training's
    six operations a weight (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
    """
    return 4.0 * architecture.parameters
