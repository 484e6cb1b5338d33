"""Signals that ask a command to stop, outside of training, which answers them itself."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from civicbench.core.errors import StoppedError


@contextlib.contextmanager
def stops_when_asked() -> Iterator[None]:
    """End the block's work on SIGTERM or SIGUSR1 with the exit code that means: try again.

    A scheduler sends them before it takes the machine away. Like Ctrl-C they end the work where it
    stands: finished stages, answers and checkpoints are kept.

    Raises:
        StoppedError: A signal came.
    """
    before = {n: signal.signal(n, _stop) for n in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    except _StopAsked as asked:
        raise StoppedError(
            f"stopped by {asked}; what was finished is kept",
            remedy="run the same command to go on from there",
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _StopAsked(BaseException):
    """Passes through every handler of errors, as an interruption does."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise _StopAsked(signal.Signals(number).name)
