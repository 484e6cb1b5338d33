"""What is wrong with a dossier."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class FaultError(Exception):
    """The first thing found wrong.

    Args:
        place: The file in which it was found, or "the archive".
        problem: What is wrong, as the rest of a sentence that begins with the place.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@contextlib.contextmanager
def sound(place: str) -> Iterator[None]:
    """Turn what goes wrong over contents of another shape than they should have into a fault.

    Args:
        place: The file that is read.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
        raise FaultError(place, "does not hold what such a file holds") from None
