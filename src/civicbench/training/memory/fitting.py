"""Changes that make a run fit in memory, the cheapest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from civicbench.models.settings import Architecture
from civicbench.training.memory.passes import PassShape
from civicbench.training.memory.planning import MemoryPlan, plan_memory
from civicbench.training.memory.sharding import Sharding, row_processes
from civicbench.training.settings import AUTO, TrainingSettings

_SHOWN = 3
# Smallest limits that are tried are the longest row; each below it is this much smaller.
_LIMIT_RATIO = 0.75

PassesOf = Callable[[TrainingSettings, int], Sequence[PassShape]]


@dataclass(frozen=True)
class Change:
    """Settings that make a run smaller.

    Attributes:
        settings: What is set.
        cost: What it costs, in words.
    """

    settings: dict[str, Any]
    cost: str


_CHECKPOINTING = Change(
    {"gradient_checkpointing": True}, "about a third more computing; the same numbers"
)
_BFLOAT16 = Change({"precision": "bfloat16"}, "numbers of 8 bits' precision in the base's products")
_NF4 = Change(
    {"quantisation": "nf4", "precision": "bfloat16"},
    "a base in 4 bits: slower, and another base than the one that is evaluated in full",
)
_PARTS_COST = "layers are fetched from the other devices as they compute"


@dataclass(frozen=True)
class Proposal:
    """A way to make a run fit.

    Attributes:
        settings: The training settings with the changes.
        changes: The changed settings by name; empty where none is needed.
        costs: What each costs, in words.
        sharding: How devices share.
        plan: What it needs.
    """

    settings: TrainingSettings
    changes: dict[str, Any]
    costs: tuple[str, ...]
    sharding: Sharding
    plan: MemoryPlan

    def overrides(self, *, devices: int, memory_bytes: float) -> tuple[str, ...]:
        """Return the changes as a recipe's overrides.

        Args:
            devices: How many devices there are.
            memory_bytes: Memory of each.
        """
        found = [
            f"training.{name}={str(value).lower() if isinstance(value, bool) else value}"
            for name, value in self.changes.items()
        ]
        named = self.settings.distributed
        if self.sharding == "zero3" and named == AUTO:
            found.append("training.distributed=fsdp2")
        elif self.sharding != "zero3" and named != AUTO:
            found.append(f"training.distributed={AUTO}")
        if self.sharding == "layers" and devices > 1:
            found += [
                f"hardware.devices={devices}",
                f"hardware.memory_gb={memory_bytes / 1e9:g}",
            ]
        return tuple(found)


@dataclass(frozen=True)
class Fitting:
    """What makes a run fit.

    Attributes:
        proposals: Ways that fit, the cheapest first.
        smallest: The smallest plan of all that were tried.
    """

    proposals: tuple[Proposal, ...]
    smallest: MemoryPlan


def fit_memory(
    shape: Architecture,
    settings: TrainingSettings,
    *,
    passes_of: PassesOf,
    longest_row_tokens: int,
    available: float,
    on_gpu: bool,
    devices: int = 1,
    shardings: Sequence[Sharding] = ("none",),
    allow_quantisation: bool = False,
) -> Fitting:
    """Return changes with which training fits in the memory of each device.

    Tried in this order: fewer tokens in a forward pass (the same step in more passes), other ways
    to share, gradient checkpointing, bfloat16, and a base in nf4 where that is allowed.

    Args:
        shape: The base model's numbers.
        settings: The training settings as they are.
        passes_of: Returns the largest passes of settings on so many processes.
        longest_row_tokens: Tokens of the longest row: a pass has one at least.
        available: Bytes of each device.
        on_gpu: Whether the devices are GPUs.
        devices: How many there are.
        shardings: How devices may share, the preferred way first.
        allow_quantisation: Whether the base may be held in nf4.
    """
    changes = [_CHECKPOINTING, _BFLOAT16, *((_NF4,) if allow_quantisation else ())]
    tried: list[Proposal] = []
    for chosen in _combinations(changes):
        changed = _with(settings, chosen)
        if changed is None:
            continue
        for sharding in shardings:
            if sharding == "zero3" and changed.quantisation is not None:
                continue  # packed weights cannot be shared out
            processes = row_processes(sharding, devices=devices)
            feasible = _with_rows_for_all(changed, processes=processes)
            if feasible is None:
                continue
            tried.append(
                _largest_fitting(
                    shape,
                    settings,
                    feasible,
                    costs=(
                        *(change.cost for change in chosen),
                        *((_PARTS_COST,) if sharding == "zero3" else ()),
                    ),
                    sharding=sharding,
                    passes_of=passes_of,
                    longest_row_tokens=longest_row_tokens,
                    available=available,
                    on_gpu=on_gpu,
                    devices=devices,
                )
            )
    fitting = [proposal for proposal in tried if proposal.plan.total <= available]
    smallest = min(tried, key=lambda proposal: proposal.plan.total)
    # What fits as it is needs no other way.
    shown = 1 if fitting and not fitting[0].overrides(devices=1, memory_bytes=available) else _SHOWN
    return Fitting(tuple(fitting[:shown]), smallest.plan)


def _combinations(changes: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Return every choice of changes, those with cheaper ones first."""
    found: list[tuple[Change, ...]] = [()]
    for change in changes:
        found += [(*chosen, change) for chosen in found]
    return found


def _with(settings: TrainingSettings, chosen: Sequence[Change]) -> TrainingSettings | None:
    """Return changed settings; None where they contradict each other or change nothing."""
    for change in chosen:
        if all(getattr(settings, name) == value for name, value in change.settings.items()):
            return None
    merged = {name: value for change in chosen for name, value in change.settings.items()}
    return _validated(settings, merged)


def _validated(settings: TrainingSettings, changes: dict[str, Any]) -> TrainingSettings | None:
    try:
        return TrainingSettings.model_validate({**settings.model_dump(), **changes})
    except ValidationError:
        return None


def _with_rows_for_all(settings: TrainingSettings, *, processes: int) -> TrainingSettings | None:
    """Return settings whose step has a row for every pass of every process; None for never."""
    most = settings.batch_size_rows // processes
    if most == 0:
        return None
    if settings.gradient_accumulation_steps <= most:
        return settings
    return _validated(settings, {"gradient_accumulation_steps": most})


def _largest_fitting(
    shape: Architecture,
    before: TrainingSettings,
    settings: TrainingSettings,
    *,
    costs: tuple[str, ...],
    sharding: Sharding,
    passes_of: PassesOf,
    longest_row_tokens: int,
    available: float,
    on_gpu: bool,
    devices: int,
) -> Proposal:
    """Return the proposal with the most tokens a pass that fits, or else the smallest one."""
    processes = row_processes(sharding, devices=devices)
    limit: int | None = settings.micro_batch_tokens
    changed = settings
    while True:
        passes = passes_of(changed, processes)
        plan = plan_memory(
            shape, changed, passes=passes, on_gpu=on_gpu, sharding=sharding, devices=devices
        )
        largest = max(size.tokens for size in passes)
        if plan.total <= available or (limit is not None and limit <= longest_row_tokens):
            break
        limit = max(int(min(limit or largest, largest) * _LIMIT_RATIO), longest_row_tokens)
        changed = settings.model_copy(update={"micro_batch_tokens": limit})
    changes = {
        name: value
        for name, value in changed.model_dump().items()
        if value != getattr(before, name)
    }
    split = ("the same step in more forward passes",) if "micro_batch_tokens" in changes else ()
    return Proposal(changed, changes, (*split, *costs), sharding, plan)
