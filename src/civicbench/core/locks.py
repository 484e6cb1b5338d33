"""Locks between processes that end with the process that held them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from civicbench.core.files import disk_errors_explained
from civicbench.core.progress import Reporter


@contextlib.contextmanager
def exclusive(path: Path, *, what: str, reporter: Reporter) -> Iterator[None]:
    """Hold a lock for the length of a block, waiting for another process that holds it.

    The lock is the operating system's (flock), so a killed process leaves none behind.

    Args:
        path: The lock file.
        what: What is locked, for the message to the one who waits.
        reporter: Told when waiting starts.
    """
    with disk_errors_explained(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(path))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            reporter.say(f"  {what}: another run is working on it; waiting for it to finish")
            lock.acquire()
    try:
        with disk_errors_explained(str(path)):
            path.write_text(f"{os.getpid()}\n")
        yield
    finally:
        lock.release()
