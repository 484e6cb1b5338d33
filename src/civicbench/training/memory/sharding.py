"""How devices share what training needs (ZeRO: arXiv 1910.02054)."""

from typing import Literal

from civicbench.models.settings import Architecture
from civicbench.training.memory.layers import linear_parameters

Sharding = Literal["none", "ddp", "layers", "zero1", "zero2", "zero3"]

DESCRIPTIONS: dict[Sharding, str] = {
    "none": "one device",
    "ddp": "a copy on each device, which share the rows of a step",
    "layers": "layers spread over the devices, which work in turn (hardware.devices)",
    "zero1": "as ddp, optimiser state shared out (ZeRO-1)",
    "zero2": "as ddp, optimiser state and gradients shared out (ZeRO-2)",
    "zero3": "as ddp, weights, gradients and optimiser state shared out (fsdp2, deepspeed-zero3)",
}
# Units that FSDP2 holds whole at a time: the one that computes and the one that is fetched.
_GATHERED_LAYERS = 2


def row_processes(sharding: Sharding, *, devices: int) -> int:
    """Return how many processes share the rows of a step."""
    return 1 if sharding in {"none", "layers"} else devices


def weight_share(sharding: Sharding, *, devices: int) -> float:
    """Return which part of all weights stands on each device."""
    return 1 / devices if sharding in {"layers", "zero3"} else 1.0


def gradient_share(sharding: Sharding, *, devices: int) -> float:
    """Return which part of all gradients stands on each device."""
    return 1 / devices if sharding in {"layers", "zero2", "zero3"} else 1.0


def optimiser_share(sharding: Sharding, *, devices: int) -> float:
    """Return which part of the optimiser's state stands on each device."""
    return 1 / devices if sharding in {"layers", "zero1", "zero2", "zero3"} else 1.0


def activation_share(sharding: Sharding, *, devices: int) -> float:
    """Return which part of a pass's activations stands on each device; logits stand on one."""
    return 1 / devices if sharding == "layers" else 1.0


def gathered_bytes(shape: Architecture, sharding: Sharding, *, weight_bytes: float) -> float:
    """Return bytes of weights that are fetched whole for as long as they compute.

    Args:
        shape: The base model's numbers.
        sharding: How devices share.
        weight_bytes: Bytes of a weight.
    """
    if sharding != "zero3":
        return 0.0
    layer = linear_parameters(shape) / shape.layers
    embedding = shape.vocabulary_size * shape.hidden_size
    return weight_bytes * (_GATHERED_LAYERS * layer + embedding)
