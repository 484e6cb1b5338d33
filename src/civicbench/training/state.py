"""What a run needs to go on from a step as if it had never stopped: safetensors and JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.training.record import CurvePoint

if TYPE_CHECKING:
    from civicbench.training.loop import TrainingLoop

STATE_NAME = "state.json"
WEIGHTS_NAME = "weights.safetensors"
_OPTIMISER_NAME = "optimiser.safetensors"


class RunState(BaseModel):
    """Where a run stands, beside its weights and its optimiser."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    run: dict[str, str]
    """What the run is of: its settings and the digests of what it reads, by name."""
    curve: tuple[CurvePoint, ...] = ()
    """Every step so far."""
    held_out_curve: tuple[CurvePoint, ...] = ()
    """Every held-out loss so far."""

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return len(self.curve)

    @property
    def best_step(self) -> int | None:
        """The step with the lowest held-out loss, the first of equals; None before there is one."""
        if not self.held_out_curve:
            return None
        return min(self.held_out_curve, key=lambda point: (point.loss, point.step)).step

    @property
    def held_out_since_best(self) -> int:
        """Held-out losses after the lowest."""
        best = self.best_step
        return sum(best is not None and point.step > best for point in self.held_out_curve)


def write_state(folder: Path, state: RunState, *, loop: "TrainingLoop") -> None:
    """Write a run's weights, optimiser and place into a folder.

    Args:
        folder: An empty folder.
        state: Where the run stands.
        loop: The loop after that step.
    """
    write_weights(folder, loop=loop)
    moments: dict[str, torch.Tensor] = {}
    for name, weight in loop.weights.items():
        for key, value in loop.optimiser.state.get(weight, {}).items():
            moments[f"{name}|{key}"] = value.detach().contiguous().cpu()
    save_file(moments, folder / _OPTIMISER_NAME)
    write_text_whole(folder / STATE_NAME, state.model_dump_json(indent=2) + "\n")


def write_weights(folder: Path, *, loop: "TrainingLoop") -> None:
    """Write the weights that are trained into a folder."""
    save_file(
        {name: weight.detach().contiguous().cpu() for name, weight in loop.weights.items()},
        folder / WEIGHTS_NAME,
    )


def read_state(folder: Path) -> RunState:
    """Return where the run of a checkpoint stands."""
    return RunState.model_validate_json(read_text(folder / STATE_NAME))


def restore_loop(folder: Path, *, loop: "TrainingLoop") -> None:
    """Put a checkpoint's weights and optimiser into a loop.

    Args:
        folder: A whole checkpoint.
        loop: A loop of the same settings.
    """
    restore_weights(folder, loop=loop)
    moments = load_file(folder / _OPTIMISER_NAME)
    for name, weight in loop.weights.items():
        kept = {
            key.rpartition("|")[2]: value
            for key, value in moments.items()
            if key.rpartition("|")[0] == name
        }
        loop.optimiser.state[weight] = {
            # AdamW counts steps in main memory unless it is fused.
            key: value if key == "step" and not _fused(loop) else value.to(weight.device)
            for key, value in kept.items()
        }


def restore_weights(folder: Path, *, loop: "TrainingLoop") -> None:
    """Put a checkpoint's weights into a loop's model.

    Raises:
        InvalidInputError: They are of another model.
    """
    kept = load_file(folder / WEIGHTS_NAME)
    if kept.keys() != loop.weights.keys():
        raise InvalidInputError(
            "a checkpoint holds the weights of another model",
            where=str(folder),
            got=", ".join(sorted(kept.keys() ^ loop.weights.keys())[:3]),
        )
    with torch.no_grad():
        for name, weight in loop.weights.items():
            weight.copy_(kept[name])


def differences(run: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return in what two runs differ, one a line."""
    return [
        f"{name}: {other.get(name, 'absent')} in the checkpoint, {run.get(name, 'absent')} now"
        for name in sorted(run.keys() | other.keys())
        if run.get(name) != other.get(name)
    ]


def _fused(loop: "TrainingLoop") -> bool:
    return any(bool(group["fused"]) for group in loop.optimiser.param_groups)
