"""The linear layers of a Llama's decoder layer, and the weights that an adapter adds to them."""

from dataclasses import dataclass

from civicbench.models.settings import Architecture
from civicbench.training.settings import TrainingSettings


@dataclass(frozen=True)
class LinearLayer:
    """One matrix of each decoder layer.

    Attributes:
        name: Its name, as `target_modules` has it.
        reads: Which tensor it reads: layers that read the same one share its copy.
        inputs: Numbers a token that it reads.
        outputs: Numbers a token that it writes.
    """

    name: str
    reads: str
    inputs: int
    outputs: int


def linear_layers(shape: Architecture) -> tuple[LinearLayer, ...]:
    """Return the matrices of one decoder layer."""
    width, inner = shape.hidden_size, shape.intermediate_size
    queries = shape.attention_heads * shape.head_size
    keys = shape.key_value_heads * shape.head_size
    return (
        LinearLayer("q_proj", "attention", width, queries),
        LinearLayer("k_proj", "attention", width, keys),
        LinearLayer("v_proj", "attention", width, keys),
        LinearLayer("o_proj", "attended", queries, width),
        LinearLayer("gate_proj", "feed-forward", width, inner),
        LinearLayer("up_proj", "feed-forward", width, inner),
        LinearLayer("down_proj", "gated", inner, width),
    )


def adapted_layers(shape: Architecture, settings: TrainingSettings) -> tuple[LinearLayer, ...]:
    """Return the matrices that get an adapter; none for full.

    Names that the layer lacks count for nothing: training refuses them.
    """
    if settings.method == "full":
        return ()
    layers = linear_layers(shape)
    if settings.target_modules == "all-linear":
        return layers
    return tuple(layer for layer in layers if layer.name in (settings.target_modules or ()))


def linear_parameters(shape: Architecture) -> int:
    """Return the weights of all decoder layers' matrices: what quantisation holds in few bits."""
    return shape.layers * sum(layer.inputs * layer.outputs for layer in linear_layers(shape))


def trained_parameters(shape: Architecture, settings: TrainingSettings) -> int:
    """Return how many weights training moves.

    An adapter of rank r on a layer from n to m numbers has r * (n + m) weights (arXiv
    2106.09685), and m more where magnitudes are trained apart (DoRA, arXiv 2402.09353).
    """
    if settings.method == "full":
        return shape.parameters
    rank = settings.rank or 0
    magnitudes = 1 if settings.weight_decomposed else 0
    return shape.layers * sum(
        rank * (layer.inputs + layer.outputs) + magnitudes * layer.outputs
        for layer in adapted_layers(shape, settings)
    )


def operations_per_token(shape: Architecture, settings: TrainingSettings) -> float:
    """Return floating-point operations a token: two a weight forward, two or four back.

    Frozen weights get no gradient of their own, which spares a third of full training's six
    operations a weight; checkpointing adds a second forward pass (Kaplan et al. 2020, arXiv
    2001.08361, section 2.1). Attention's own products are not counted: they add a few per cent
    for rows of up to some thousand tokens.
    """
    weights = linear_parameters(shape)
    passes = 4 if settings.method == "lora" else 6
    if settings.gradient_checkpointing:
        passes += 2
    adapter = 6 * trained_parameters(shape, settings) if settings.method == "lora" else 0
    return float(passes * weights + adapter)


def head_operations_per_token(shape: Architecture, settings: TrainingSettings) -> float:
    """Return floating-point operations of the output head a trained token."""
    return float(
        (4 if settings.method == "lora" else 6) * shape.vocabulary_size * shape.hidden_size
    )
