"""What autograd keeps for a backward pass, counted while a pass runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from civicbench.core.ranks import Ranks
from civicbench.models.prepare import PreparedModel
from civicbench.training.adapting import build_trainable_model
from civicbench.training.examples import Example
from civicbench.training.loop import TrainingLoop
from civicbench.training.objectives import build_objective
from civicbench.training.settings import TrainingSettings


@dataclass(frozen=True)
class Saved:
    """A tensor that was kept.

    Attributes:
        bytes: Its storage's size.
        shape: Its shape.
        dtype: Its number format.
    """

    bytes: int
    shape: tuple[int, ...]
    dtype: torch.dtype


def saved_tensors(
    settings: TrainingSettings, prepared: PreparedModel, rows: Sequence[Example]
) -> list[Saved]:
    """Return what one forward pass over rows keeps, each storage once, weights left out."""
    model = build_trainable_model(settings, prepared, spread=False)
    loop = TrainingLoop(settings, model, objective=build_objective(settings, rows), ranks=Ranks())
    model.train()
    own = {w.untyped_storage().data_ptr() for w in [*model.parameters(), *model.buffers()]}
    found: dict[int, Saved] = {}
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and storage.data_ptr() not in found:
            found[storage.data_ptr()] = Saved(storage.nbytes(), tuple(tensor.shape), tensor.dtype)
            kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), loop.autocast():
        loop.objective.loss(model, range(len(rows)), device=torch.device("cpu"))
    return list(found.values())
