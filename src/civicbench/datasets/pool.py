"""A pass over many batches on all cores, its results in the order of the batches."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from civicbench.core.environment import usable_cores
from civicbench.core.errors import WorkFailedError
from civicbench.datasets.work import Batch, BatchResult, Pass, open_pass

# Processes take a second to start: fewer batches than this are done sooner without them.
_BATCHES_ALONE = 6

_opened: list[Callable[[Batch], BatchResult]] = []


def run_pass(
    plan: Pass, batches: Iterator[Batch], *, cores: int | None = None
) -> Iterator[BatchResult]:
    """Yield what became of each batch, in order: the first few done here, then a process a core.

    Results do not depend on where a batch is done, because a process knows nothing but the plan
    and its batch.

    Args:
        plan: The pass.
        batches: The rows.
        cores: How many processes; None takes the machine's.

    Raises:
        WorkFailedError: A process was killed, most often for want of memory.
    """
    count = cores or usable_cores()
    here = open_pass(plan)
    for number, batch in enumerate(batches, start=1):
        yield here(batch)
        if number == _BATCHES_ALONE and count > 1:
            yield from _run_on_cores(plan, batches, count)


def _run_on_cores(plan: Pass, batches: Iterator[Batch], cores: int) -> Iterator[BatchResult]:
    # Forking copies threads' locks in whatever state they are, so processes start afresh.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(cores, context, initializer=_open, initargs=(plan,))
    waiting: deque[Future[BatchResult]] = deque()
    try:
        for batch in batches:
            waiting.append(executor.submit(_run, batch))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise WorkFailedError(
            "a process that curates rows was killed",
            remedy="look whether memory ran out (`dmesg`), and build again",
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _open(plan: Pass) -> None:
    _opened[:] = [open_pass(plan)]


def _run(batch: Batch) -> BatchResult:
    return _opened[0](batch)
