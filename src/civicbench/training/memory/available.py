"""How much memory a process may still take here."""

import os
from pathlib import Path

from civicbench.core.environment import memory_bytes
from civicbench.models.loading import choose_device


def available_bytes(*, group_folder: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the memory that each process of this run may take now.

    On a GPU that is what is free of the fullest one. On a processor it is what the machine has
    available, or what the control group (a container's or Slurm job's limit) leaves, shared
    between the processes that torchrun started here.

    Args:
        group_folder: Where control groups (version 2) are mounted.
    """
    if choose_device() == "cuda":
        import torch

        return float(
            min(torch.cuda.mem_get_info(place)[0] for place in range(torch.cuda.device_count()))
        )
    _, available = memory_bytes()
    left = _left_in_group(group_folder)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return (available if left is None else min(available, left)) / beside


def _left_in_group(folder: Path) -> int | None:
    """Return what the tightest group above this process leaves; None where none has a limit."""
    own = Path("/proc/self/cgroup")
    path = "/"
    if own.is_file():
        for line in own.read_text().splitlines():
            if line.startswith("0::"):
                path = line.removeprefix("0::")
    found = []
    place = folder / path.lstrip("/")
    while True:
        found.append(_left_in(place))
        if place == folder or folder not in place.parents:
            break
        place = place.parent
    limits = [left for left in found if left is not None]
    return min(limits) if limits else None


def _left_in(group: Path) -> int | None:
    limit, current = group / "memory.max", group / "memory.current"
    if not limit.is_file() or not current.is_file():
        return None
    text = limit.read_text().strip()
    if text == "max":
        return None
    used = int(current.read_text())
    # Files that were read and may be dropped again count as used, and are not in the way.
    statistics = group / "memory.stat"
    if statistics.is_file():
        for line in statistics.read_text().splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
    return max(int(text) - used, 0)
