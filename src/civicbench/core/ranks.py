"""Processes that share the work: each computes a part, the first one leads.

Started by `torchrun`, which says in the environment how many there are. Messages are JSON as
bytes in tensors, never pickles.
"""

import datetime
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch.distributed.rendezvous import rendezvous

from civicbench.core.errors import WorkFailedError

# The first process may train for days before it has something for the others to do.
_WAIT = datetime.timedelta(days=30)
# Until then all must have come, once the first has: a machine may start later than another.
_MEETING = datetime.timedelta(minutes=10)
_Work = TypeVar("_Work")


def rank_of_this_process() -> int:
    """Return this process's rank; 0 where it is alone."""
    return int(os.environ.get("RANK", "0"))


def _meet_others(size: int) -> None:
    """Join the others at the first process's port.

    Raises:
        WorkFailedError: Not all came in time, or the port is taken.
    """
    # Messages are small and stand in main memory, whatever the model stands on; the parts of a
    # model that is shared out are exchanged between GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, rank, _ = next(rendezvous("env://", timeout=_MEETING))
        store.set_timeout(_WAIT)
        distributed.init_process_group(
            backend, store=store, rank=rank, world_size=size, timeout=_WAIT
        )
    except (RuntimeError, ValueError) as error:
        raise WorkFailedError(
            "the processes of this run did not meet",
            where=f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}",
            got=str(error).splitlines()[0],
            remedy="look whether all machines reach that name and port, and whether it is free",
        ) from error


class Ranks:
    """The processes of one run.

    Args:
        rank: This process's number; 0 leads.
        size: How many there are.
    """

    def __init__(self, *, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    @classmethod
    def join(cls) -> "Ranks":
        """Meet the other processes that `torchrun` started; alone where it did not."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if not distributed.is_initialized():
            _meet_others(size)
        return cls(rank=rank_of_this_process(), size=size)

    def tell(self, message: Any) -> None:
        """Send a JSON-ready message from the first process to all others."""
        if self.size > 1:
            self._broadcast(json.dumps(message).encode())

    def listen(self) -> Any:
        """Return the first process's next message."""
        return json.loads(self._broadcast(None))

    def rounds(
        self,
        work: Sequence[_Work],
        compute: Callable[[_Work], Any],
        take: Callable[[_Work, Any], None],
    ) -> None:
        """Compute pieces of work in turns, one a process each round.

        Args:
            work: The pieces, the same in every process.
            compute: Computes one and returns a JSON-ready result.
            take: Called in every process, in order, with each piece and its result.

        Raises:
            WorkFailedError: Another process has gone.
        """
        for start in range(0, len(work), self.size):
            pieces = work[start : start + self.size]
            own = compute(pieces[self.rank]) if self.rank < len(pieces) else None
            results = self._gather(own) if self.size > 1 else [own]
            for piece, result in zip(pieces, results, strict=False):
                take(piece, result)

    def meet(self) -> None:
        """Wait until every process has come here.

        Raises:
            WorkFailedError: Another process has gone.
        """
        self.add(torch.zeros(1))

    def add(self, values: torch.Tensor) -> None:
        """Replace a tensor by its sum over all processes, in place.

        Args:
            values: Of the same shape in every process.

        Raises:
            WorkFailedError: Another process has gone.
        """
        if self.size > 1:
            self._call(distributed.all_reduce, values)

    def _broadcast(self, data: bytes | None) -> bytes:
        size = torch.tensor([len(data) if data is not None else 0])
        self._call(distributed.broadcast, size, 0)
        content = torch.zeros(int(size), dtype=torch.uint8)
        if data is not None:
            content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        self._call(distributed.broadcast, content, 0)
        return content.numpy().tobytes()

    def _gather(self, own: Any) -> list[Any]:
        data = torch.frombuffer(bytearray(json.dumps(own).encode()), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.long) for _ in range(self.size)]
        self._call(distributed.all_gather, sizes, torch.tensor([len(data)]))
        longest = max(int(size) for size in sizes)
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(data)] = data
        gathered = [torch.zeros(longest, dtype=torch.uint8) for _ in range(self.size)]
        self._call(distributed.all_gather, gathered, padded)
        return [
            json.loads(content[: int(size)].numpy().tobytes())
            for size, content in zip(sizes, gathered, strict=True)
        ]

    def _call(self, collective: Callable[..., Any], *arguments: Any) -> None:
        try:
            collective(*arguments)
        except RuntimeError as error:
            raise WorkFailedError(
                "another process of this run has gone",
                got=str(error).splitlines()[0],
                remedy="look at its own last lines; what was done so far is kept",
            ) from error
