"""What a forward pass keeps for its backward pass, and what computing takes beside it.

Counted from what PyTorch's autograd saves in transformers' Llama under PEFT, with rows packed as
`training.packing` packs them. Each term below is one saved tensor, in numbers a token; how many
bytes a number has follows from the settings.
"""

from dataclasses import dataclass

from civicbench.models.settings import Architecture
from civicbench.training.memory.layers import LinearLayer, adapted_layers, linear_layers
from civicbench.training.memory.passes import PassShape
from civicbench.training.settings import TrainingSettings

FLOAT32 = 4
BFLOAT16 = 2
# Tensors as wide as the feed-forward that a layer's backward pass makes before it frees what was
# kept; in bfloat16 with those that are cast.
_BACKWARD_COPIES = {"float32": 2, "bfloat16": 4}
# Float32 numbers a logit that exist at once: log-probabilities, their gradient and the logits'.
_LOGIT_COPIES = 3


def compute_bytes(settings: TrainingSettings) -> int:
    """Return the bytes of a number in matrix products."""
    return BFLOAT16 if settings.precision == "bfloat16" else FLOAT32


@dataclass(frozen=True)
class PassMemory:
    """What one forward pass and its backward pass need, in bytes.

    Attributes:
        kept: Tensors kept for the backward pass by one decoder layer, checkpointing aside.
        between: The tensor that passes from one decoder layer to the next.
        masks: What attention adds to its scores, once for all layers.
        end: Tensors kept after the last decoder layer, logits aside.
        logits: The output head's results, at their most.
        working: What a layer's backward pass takes beside what is kept.
        layer_copies: Copies of a layer's weights that are kept, whatever the tokens.
    """

    kept: float
    between: float
    masks: float
    end: float
    logits: float
    working: float
    layer_copies: float


def pass_memory(
    shape: Architecture, settings: TrainingSettings, size: PassShape, *, on_gpu: bool
) -> PassMemory:
    """Return what a forward pass of some size needs.

    Args:
        shape: The base model's numbers.
        settings: The training settings.
        size: The pass.
        on_gpu: Whether a GPU computes: it keeps a dropout mask in one byte a number.
    """
    number = compute_bytes(settings)
    full = settings.method == "full"
    residual = FLOAT32 if full else number
    tokens, width = size.tokens, shape.hidden_size
    groups = shape.attention_heads // shape.key_value_heads
    return PassMemory(
        kept=tokens * _kept_a_token(shape, settings, on_gpu=on_gpu)
        + (_copied_by_rows(shape, size, number=number, residual=residual) if on_gpu else 0),
        between=tokens * width * residual,
        masks=groups * size.mask_numbers * (residual if on_gpu else FLOAT32),
        end=tokens * (width + 1) * FLOAT32 * (2 if full else 1)
        + 2 * tokens * shape.head_size * number,
        logits=size.trained_tokens * shape.vocabulary_size * FLOAT32 * _LOGIT_COPIES,
        working=tokens
        * max(
            _BACKWARD_COPIES[settings.precision] * shape.intermediate_size * number,
            0 if on_gpu else _attention_copies(shape),
        ),
        layer_copies=_layer_copies(shape, settings, number=number),
    )


def joins_products(settings: TrainingSettings) -> bool:
    """Return whether layers and adapters are computed as one product (`training.low_rank`)."""
    return (
        settings.method == "lora"
        and settings.quantisation is None
        and settings.dropout == 0
        and not settings.weight_decomposed
    )


def _kept_a_token(shape: Architecture, settings: TrainingSettings, *, on_gpu: bool) -> float:
    number = compute_bytes(settings)
    width, inner = shape.hidden_size, shape.intermediate_size
    queries = shape.attention_heads * shape.head_size
    keys = shape.key_value_heads * shape.head_size
    # Both norms keep what they read in float32, and trained ones what they scale.
    norms = 2 * FLOAT32 * (width * (2 if settings.method == "full" else 1) + 1)
    # Query, key and value, what is read, and its normaliser.
    attention = 2 * (queries + keys) * number + shape.attention_heads * FLOAT32
    # The gate before and after its activation, and what it is multiplied with.
    gated = 3 * inner * number
    return norms + attention + gated + _kept_inputs(shape, settings, number=number, on_gpu=on_gpu)


def _kept_inputs(
    shape: Architecture, settings: TrainingSettings, *, number: int, on_gpu: bool
) -> float:
    """Return bytes a token of what trained matrices read: their gradient needs it."""
    adapted = adapted_layers(shape, settings)
    trained = linear_layers(shape) if settings.method == "full" else adapted
    # In bfloat16 PEFT and autocast cast the input for each matrix anew; dropout draws for each.
    apart = not joins_products(settings) and (number == BFLOAT16 or settings.dropout > 0)
    inputs: dict[str, int] = {}
    for layer in trained:
        inputs[layer.name if apart else layer.reads] = layer.inputs
    found = float(number * sum(inputs.values()))
    found += number * (settings.rank or 0) * len(adapted)
    if settings.dropout > 0:
        mask = 1 if on_gpu else FLOAT32
        found += mask * sum(layer.inputs for layer in adapted)
    if settings.weight_decomposed:
        found += 2 * number * sum(layer.outputs for layer in adapted)
    if settings.quantisation == "int8":
        read = {layer.reads: layer.inputs for layer in linear_layers(shape)}
        found += number * sum(read.values())
    return found


def _copied_by_rows(shape: Architecture, size: PassShape, *, number: int, residual: int) -> float:
    """Return bytes that a GPU's attention keeps for each row."""
    keys = shape.key_value_heads * shape.head_size
    # Keys and values of each row, beside those of the shared beginning.
    copied = 2 * keys * number * size.attended_tokens
    # Full training rotates in float32, so that each layer casts the masks anew.
    groups = shape.attention_heads // shape.key_value_heads
    return float(copied + (groups * size.mask_numbers * number if residual != number else 0))


def _attention_copies(shape: Architecture) -> int:
    """Return bytes a token of what a processor's attention makes in float32 on its way back."""
    queries = shape.attention_heads * shape.head_size
    keys = shape.key_value_heads * shape.head_size
    return FLOAT32 * (4 * queries + 4 * keys)


def _layer_copies(shape: Architecture, settings: TrainingSettings, *, number: int) -> float:
    """Return bytes of casts of a layer's weights, and of what DoRA makes of them."""
    adapted: tuple[LinearLayer, ...] = adapted_layers(shape, settings)
    found = 0.0
    if number == FLOAT32 and joins_products(settings):
        found += FLOAT32 * (settings.rank or 0) * sum(layer.outputs for layer in adapted)
    if number == BFLOAT16:
        cast = (
            sum(layer.inputs * layer.outputs for layer in linear_layers(shape))
            if settings.method == "full"
            else sum((settings.rank or 0) * (layer.inputs + layer.outputs) for layer in adapted)
        )
        found += BFLOAT16 * cast
    if settings.weight_decomposed:
        # PEFT multiplies the adapter's matrices by way of an identity matrix, which is kept.
        found += number * sum(layer.inputs**2 for layer in adapted)
    return found
