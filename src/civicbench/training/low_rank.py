"""A linear layer and its low-rank adapter as one product, with the least kept for the way back.

PEFT computes the two one after the other and casts the layer's input to the adapter's number
format, so that for every layer a copy of the input is made and kept. Here the input itself is kept,
which layers that read the same numbers share.
"""

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear

_ADAPTER = "default"


class _AdaptedProduct(torch.autograd.Function):
    """`x W' + scale x A' B'`, with gradients for x, A and B (arXiv 2106.09685, equation 3)."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: torch.Tensor,
        weight: torch.Tensor,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        low = down.to(rows.dtype)
        high = (up * scale).to(rows.dtype)
        inner = rows @ low.t()
        ctx.save_for_backward(rows, weight, low, high, inner)
        ctx.scale = scale
        return (rows @ weight.t()).addmm_(inner, high.t())

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = gradients
        rows, weight, low, high, inner = ctx.saved_tensors
        inner_gradient = gradient @ high
        rows_gradient = None
        if ctx.needs_input_grad[0]:
            rows_gradient = (gradient @ weight).addmm_(inner_gradient, low)
        down_gradient = (inner_gradient.t() @ rows).float()
        up_gradient = (gradient.t() @ inner).float() * ctx.scale
        return rows_gradient, None, down_gradient, up_gradient, None


def join_adapter_products(model: torch.nn.Module) -> int:
    """Let plain linear layers with a plain adapter compute both at once.

    Layers that are quantised, decomposed (DoRA), have a bias or drop inputs stay PEFT's own.

    Args:
        model: The base with one adapter on it, on one device.

    Returns:
        How many layers it was.
    """
    found = 0
    for layer in model.modules():
        if type(layer) is Linear and _is_plain(layer):
            layer.forward = MethodType(_forward, layer)
            found += 1
    return found


def _is_plain(layer: Linear) -> bool:
    base = layer.base_layer
    return (
        type(base) is torch.nn.Linear
        and base.bias is None
        and not layer.lora_variant
        and isinstance(layer.lora_dropout[_ADAPTER], torch.nn.Identity)
    )


def _forward(self: Any, rows: torch.Tensor) -> torch.Tensor:
    if self.disable_adapters or self.merged:
        answer: torch.Tensor = self.base_layer(rows)
        return answer
    weight = self.base_layer.weight
    flat = rows.reshape(-1, rows.shape[-1]).to(weight.dtype)
    product: torch.Tensor = _AdaptedProduct.apply(  # type: ignore[no-untyped-call]
        flat,
        weight,
        self.lora_A[_ADAPTER].weight,
        self.lora_B[_ADAPTER].weight,
        self.scaling[_ADAPTER],
    )
    return product.view(*rows.shape[:-1], -1)
