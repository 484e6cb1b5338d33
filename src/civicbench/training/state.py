"""What a run needs to go on from a step as if it had never stopped: safetensors and JSON."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.training.parts import PartReader, write_parts
from civicbench.training.record import CurvePoint

if TYPE_CHECKING:
    from civicbench.training.loop import TrainingLoop

STATE_NAME = "state.json"
_WEIGHTS = "weights"
_OPTIMISER = "optimiser"


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

    Where each process holds a part, each calls this, and writes its own files.

    Args:
        folder: The checkpoint's folder.
        state: Where the run stands.
        loop: The loop after that step.
    """
    write_weights(folder, loop=loop)
    moments = {
        f"{name}|{key}": part
        for name, weight in loop.weights.items()
        for key, part in loop.sharing.moments_of(loop.optimiser, weight).items()
    }
    write_parts(moments, folder=folder, stem=_OPTIMISER, writers=loop.sharing.writers)
    if loop.ranks.rank == 0:
        write_text_whole(folder / STATE_NAME, state.model_dump_json(indent=2) + "\n")


def write_weights(folder: Path, *, loop: "TrainingLoop") -> None:
    """Write the weights that are trained into a folder; see `write_state`."""
    parts = {name: loop.sharing.part_of(weight) for name, weight in loop.weights.items()}
    write_parts(parts, folder=folder, stem=_WEIGHTS, writers=loop.sharing.writers)


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
    with PartReader(folder, stem=_OPTIMISER) as kept:
        by_weight: dict[str, list[str]] = {}
        for full_name in sorted(kept.names):
            name, _, key = full_name.rpartition("|")
            by_weight.setdefault(name, []).append(key)
        for name, weight in loop.weights.items():
            loop.sharing.put_back_moments(
                loop.optimiser,
                weight,
                {key: partial(kept.rows, f"{name}|{key}") for key in by_weight.get(name, [])},
            )


def restore_weights(folder: Path, *, loop: "TrainingLoop") -> None:
    """Put a checkpoint's weights into a loop's model.

    Raises:
        InvalidInputError: They are of another model.
    """
    with PartReader(folder, stem=_WEIGHTS) as kept:
        if kept.names != loop.weights.keys():
            raise InvalidInputError(
                "a checkpoint holds the weights of another model",
                where=str(folder),
                got=", ".join(sorted(kept.names ^ loop.weights.keys())[:3]),
            )
        for name, weight in loop.weights.items():
            loop.sharing.put_back(weight, partial(kept.rows, name))


def differences(run: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return in what two runs differ, one a line."""
    return [
        f"{name}: {other.get(name, 'absent')} in the checkpoint, {run.get(name, 'absent')} now"
        for name in sorted(run.keys() | other.keys())
        if run.get(name) != other.get(name)
    ]
