"""Passes over many batches on all cores, their results in the order of the batches."""

import contextlib
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType, TracebackType
from typing import Self

from civicbench.core.environment import usable_cores
from civicbench.core.errors import WorkFailedError
from civicbench.datasets.work import Batch, BatchResult, Pass, open_pass

# Processes take a second or two to start: fewer batches than this are done sooner without them.
_BATCHES_ALONE = 12

_plans: list[Pass] = []
_opened: dict[int, Callable[[Batch], BatchResult]] = {}


class Cores:
    """Runs passes: the first few batches here, then on a process a core, kept for later passes.

    Results do not depend on where a batch is done, because a process knows nothing but the plans
    and its batch.

    Args:
        plans: The passes.
        count: How many processes; None takes the machine's.
    """

    def __init__(self, plans: Sequence[Pass], *, count: int | None = None) -> None:
        self._plans = tuple(plans)
        self._count = count or usable_cores()
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, number: int, batches: Iterator[Batch]) -> Iterator[BatchResult]:
        """Yield what became of each batch in the pass of a number, in order.

        Raises:
            WorkFailedError: A process was killed, most often for want of memory.
        """
        if self._executor is None:
            here = open_pass(self._plans[number])
            for done, batch in enumerate(batches, start=1):
                yield here(batch)
                if done == _BATCHES_ALONE and self._count > 1:
                    break
            else:
                return
        yield from self._run_on_cores(number, batches)

    def _run_on_cores(self, number: int, batches: Iterator[Batch]) -> Iterator[BatchResult]:
        executor = self._started()
        waiting: deque[Future[BatchResult]] = deque()
        try:
            for batch in batches:
                with _main_module_hidden():
                    waiting.append(executor.submit(_run, number, batch))
                if len(waiting) > 2 * self._count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise WorkFailedError(
                "a process that curates rows was killed",
                remedy="look whether memory ran out (`dmesg`), and build again",
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Forking copies threads' locks in whatever state they are, so processes start afresh.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self._count, context, initializer=_keep, initargs=(self._plans,)
            )
        return self._executor


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep processes that start meanwhile from running the program's main module again.

    `spawn` runs it in each of them. A script that calls the command line without asking for its
    own name would begin the same build in there, and wait for the lock that this one holds.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _keep(plans: Sequence[Pass]) -> None:
    _plans[:] = plans
    _opened.clear()


def _run(number: int, batch: Batch) -> BatchResult:
    if number not in _opened:
        # A pass is over before the next begins: its detectors need not be held on.
        _opened.clear()
        _opened[number] = open_pass(_plans[number])
    return _opened[number](batch)
