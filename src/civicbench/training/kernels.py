"""Which kernels training computes with, and why."""

from dataclasses import dataclass

from civicbench.training.settings import TrainingSettings


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
    fused = on_gpu and settings.kernels == "auto"
    if fused:
        why = "a GPU updates all weights in one call"
    elif on_gpu:
        why = "kernels: plain"
    else:
        why = "on a processor it takes a small part of a step"
    attention = (
        "PyTorch chooses flash or memory-efficient attention by the rows' types and sizes"
        if on_gpu
        else "rows are packed without padding, each seeing itself and the shared beginning"
    )
    return (
        Kernel("attention", "scaled_dot_product_attention on packed rows", attention),
        Kernel("optimiser", "AdamW, fused" if fused else "AdamW", why),
    )
