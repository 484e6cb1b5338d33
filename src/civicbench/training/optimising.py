"""The optimiser and its learning rates."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    from civicbench.training.adapting import TrainableGroup


def build_optimiser(
    groups: "Sequence[TrainableGroup]", *, settings: TrainingSettings
) -> torch.optim.AdamW:
    """Return AdamW (arXiv 1711.05101) over groups of weights.

    Args:
        groups: The weights, with their share of the learning rate and their weight decay.
        settings: The training settings.
    """
    return torch.optim.AdamW(
        [
            {
                "params": list(group.weights.values()),
                "weight_decay": group.weight_decay,
                "rate_share": group.rate_share,
            }
            for group in groups
        ],
        lr=settings.learning_rate,
        fused=settings.kernels == "auto",
    )


def learning_rate(settings: TrainingSettings, *, step: int, steps: int) -> float:
    """Return the learning rate of a step, as transformers' schedules of the same names have it.

    Args:
        settings: The training settings.
        step: The step, counted from 0.
        steps: Steps of the whole run.
    """
    warmup = math.ceil(steps * settings.warmup_share)
    if step < warmup:
        return settings.learning_rate * step / max(warmup, 1)
    done = (step - warmup) / max(steps - warmup, 1)
    share = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }[settings.schedule]
    return settings.learning_rate * share


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set each group's learning rate to its share of a rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["rate_share"]
