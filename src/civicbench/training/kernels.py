"""Which kernels training computes with, and why."""

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Kernel:
    """A kernel that was chosen.

    Attributes:
        part: What it computes.
        name: The kernel.
        why: Why it was chosen.
    """

    part: str
    name: str
    why: str


def chosen_kernels(settings: TrainingSettings, *, on_gpu: bool) -> tuple[Kernel, ...]:
    """Return what `kernels` comes to.

    Args:
        settings: The training settings.
        on_gpu: Whether a GPU computes.
    """
    fused = settings.kernels == "auto"
    why = "all weights are updated in one call" if fused else "kernels: plain"
    attention = (
        "PyTorch chooses flash or memory-efficient attention by the rows' types and sizes"
        if on_gpu
        else "computed in float32, which is faster on its way back than bfloat16 and keeps less"
    )
    liger = uses_liger(settings, on_gpu=on_gpu)
    if liger:
        layers = "they need less memory and fewer calls (arXiv 2410.10989)"
    elif not on_gpu:
        layers = "Liger's run on GPUs alone"
    else:
        layers = "kernels: plain" if settings.kernels == "plain" else "liger-kernel is not here"
    return (
        Kernel("norms, feed-forward, rotation", "Liger" if liger else "PyTorch", layers),
        Kernel(
            "attention",
            "scaled_dot_product_attention on packed rows" if on_gpu else "flash on packed rows",
            attention,
        ),
        Kernel("optimiser", "AdamW, fused" if fused else "AdamW", why),
    )


def uses_liger(settings: TrainingSettings, *, on_gpu: bool) -> bool:
    """Return whether Liger's kernels compute a model's layers.

    Args:
        settings: The training settings.
        on_gpu: Whether a GPU computes.
    """
    installed = importlib.util.find_spec("liger_kernel") is not None
    return on_gpu and settings.kernels == "auto" and installed


def use_liger(base: "PreTrainedModel") -> None:
    """Let Liger's kernels compute norms, feed-forward layers and rotations of a loaded Llama.

    The loss stays ours, since the head runs only where a token is trained on.
    """
    from liger_kernel.transformers import (  # type: ignore[import-not-found]
        apply_liger_kernel_to_llama,
    )

    apply_liger_kernel_to_llama(
        rope=True,
        swiglu=True,
        rms_norm=True,
        cross_entropy=False,
        fused_linear_cross_entropy=False,
        model=base,
    )
