"""What a cluster says of itself: partitions, nodes, settings."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.core.errors import PartAbsentError
from civicbench.launch.slurm.commands import ask_slurm, try_slurm
from civicbench.launch.slurm.parsing import (
    duration_s,
    gpu_counts,
    megabytes,
    read_records,
    said,
    whole,
)

_AWAY = re.compile(r"DOWN|DRAIN|FAIL|NOT_RESPONDING|POWERED_DOWN|MAINT|UNKNOWN")
_WAIT_FOR_NODES_S = 60
_PROBE_PATIENCE_S = 150.0


@dataclass(frozen=True)
class Partition:
    """A partition.

    Attributes:
        name: Its name.
        is_default: Whether jobs without a partition go there.
        state: "UP", "DOWN" ...
        longest_s: Its time limit in seconds; None for no limit.
        most_nodes: The most nodes of a job; None for no limit.
        nodes: How many it has.
    """

    name: str
    is_default: bool
    state: str
    longest_s: int | None
    most_nodes: int | None
    nodes: int


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        name: Its name.
        partitions: The partitions that it belongs to.
        state: Slurm's words for its state.
        cpus: Its CPUs.
        memory_megabytes: Its memory, in 2^20 bytes.
        gpus: Its GPUs by type; "" where the type has no name.
        features: Its features.
        version: The version of its slurmd.
    """

    name: str
    partitions: tuple[str, ...]
    state: str
    cpus: int
    memory_megabytes: float
    gpus: dict[str, int]
    features: tuple[str, ...]
    version: str

    @property
    def is_up(self) -> bool:
        """Whether it takes jobs."""
        return not _AWAY.search(self.state)

    def gpus_of(self, kind: str | None) -> int:
        """Return its GPUs of a type; all of them where None."""
        return sum(self.gpus.values()) if kind is None else self.gpus.get(kind, 0)


def read_partitions() -> list[Partition]:
    """Return the cluster's partitions.

    Raises:
        PartAbsentError: Slurm is not here or does not answer.
    """
    text = ask_slurm("scontrol", "show", "partition", "-o", what="partitions")
    return [
        Partition(
            name=record["PartitionName"],
            is_default=record.get("Default") == "YES",
            state=record.get("State", "UNKNOWN"),
            longest_s=duration_s(record.get("MaxTime")),
            most_nodes=whole(record.get("MaxNodes")),
            nodes=whole(record.get("TotalNodes")) or 0,
        )
        for record in read_records(text)
        if "PartitionName" in record
    ]


def read_nodes() -> list[Node]:
    """Return the cluster's nodes.

    Raises:
        PartAbsentError: Slurm is not here or does not answer.
    """
    text = ask_slurm("scontrol", "show", "node", "-o", what="nodes")
    return [
        Node(
            name=record["NodeName"],
            partitions=tuple((said(record.get("Partitions")) or "").split(",")),
            state=record.get("State", "UNKNOWN"),
            cpus=whole(record.get("CPUTot")) or 0,
            memory_megabytes=megabytes(record.get("RealMemory")) or 0.0,
            gpus=gpu_counts(record.get("Gres")),
            features=tuple((said(record.get("AvailableFeatures")) or "").split(",")),
            version=record.get("Version", "unknown"),
        )
        for record in read_records(text)
        if "NodeName" in record
    ]


def read_configuration() -> dict[str, str]:
    """Return the controller's settings by name; empty where they may not be read."""
    done = try_slurm("scontrol", "show", "config")
    if done.returncode != 0:
        return {}
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def read_associations() -> list[dict[str, str]] | None:
    """Return the accounts, partitions and QOS of this user; None without accounting."""
    user = os.environ.get("USER") or str(os.getuid())
    try:
        done = try_slurm(
            *("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}"),
            "format=account,partition,qos",
        )
    except PartAbsentError:
        return None
    if done.returncode != 0:
        return None
    rows = [line.split("|") for line in done.stdout.splitlines() if line.strip()]
    return [dict(zip(("account", "partition", "qos"), row, strict=False)) for row in rows]


def ask_nodes(options: Sequence[str], *, script: str) -> tuple[list[dict[str, object]], str]:
    """Run a probing script on nodes through a short job, and return what each said.

    Args:
        options: srun's options.
        script: The script, which `bash` reads from its standard input.

    Returns:
        What each node said, and what srun itself said.
    """
    done = try_slurm(
        "srun",
        *options,
        "--ntasks-per-node=1",
        f"--immediate={_WAIT_FOR_NODES_S}",
        "--time=2",
        "--job-name=civicbench-doctor",
        "bash",
        "-s",
        text=script,
        patience_s=_PROBE_PATIENCE_S,
    )
    answers = []
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            try:
                answers.append(json.loads(line))
            except ValueError:
                continue
    return answers, done.stderr.strip()
