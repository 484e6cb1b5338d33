"""Noise: how far repeats of the same evaluation lie apart."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError


class Spread(BaseModel):
    """How far repeats of one metric lie apart, on the same items with the same model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    repeats: int
    """How often it was measured."""
    lowest: float
    """The lowest value."""
    highest: float
    """The highest value."""
    deviation: float
    """Standard deviation of the values, from repeats - 1."""
    items: int
    """Items of each repeat."""
    changed_items: int
    """Items whose value was not the same in every repeat."""

    @property
    def range(self) -> float:
        """Highest minus lowest value: a difference below it can be noise alone."""
        return self.highest - self.lowest


def measure_spread(values: Sequence[float], *, items: Sequence[Sequence[float]]) -> Spread:
    """Return how far repeats of a metric lie apart.

    What batch order, threads or the seeds of sampled generation change. It says nothing of other
    items: that is what intervals are for.

    Args:
        values: The metric's value in each repeat.
        items: The value of each item in each repeat, in the same order of items.

    Raises:
        InvalidInputError: Fewer than two repeats, or repeats of other items.
    """
    if len(values) < 2 or len(values) != len(items):
        raise InvalidInputError(
            "noise cannot be measured from fewer than two repeats",
            where="repeats",
            got=f"{len(values)} values and {len(items)} sets of items",
            remedy="evaluate at least twice",
        )
    if len({len(row) for row in items}) != 1:
        raise InvalidInputError(
            "the repeats are not of the same items",
            where="repeats",
            got=", ".join(f"{len(row)} items" for row in items),
        )
    table = np.asarray(items, dtype=float)
    return Spread(
        repeats=len(values),
        lowest=min(values),
        highest=max(values),
        deviation=float(np.std(values, ddof=1)),
        items=table.shape[1],
        changed_items=int((table != table[0]).any(axis=0).sum()),
    )


def difference_noise(first: Spread, second: Spread) -> float:
    """Return how far the difference of two models can move between repeats: both ranges."""
    return first.range + second.range
