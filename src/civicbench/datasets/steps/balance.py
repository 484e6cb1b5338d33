"""Keeping the rows of one value from outweighing the others'."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from civicbench.datasets.steps.exact_duplicates import digest_words
from civicbench.datasets.steps.step import (
    KEPT,
    Decisions,
    Fields,
    KeyFunction,
    StepContext,
    WholeStep,
)

if TYPE_CHECKING:
    from civicbench.datasets.steps.step import Keys


class Balance(WholeStep):
    """Keeps at most so many rows of each value of a field."""

    step: Literal["balance"] = "balance"
    """The step's name."""
    by: str
    """The field whose values are balanced."""
    at_most: Annotated[int, Field(ge=1)] | None = None
    """Most rows of one value."""
    ratio: Annotated[float, Field(ge=1.0)] | None = None
    """Most rows of one value, as a multiple of the rarest value's rows."""
    seed: int = 0
    """Which rows stay is decided by a digest of seed and row, not by their order."""

    @model_validator(mode="after")
    def _one_limit(self) -> "Balance":
        if (self.at_most is None) == (self.ratio is None):
            raise ValueError("give either at_most or ratio")
        return self

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The field."""
        return (self.by,)

    @property
    def key_columns(self) -> int:
        """The value's digest, and the row's lot."""
        return 2

    def open_key(self, context: StepContext) -> KeyFunction:
        """Return the function that digests a row's value and draws its lot."""

        def key(fields: Fields) -> tuple[int, int]:
            whole = "\x1f".join(f"{name}={fields[name]}" for name in sorted(fields))
            return digest_words(str(fields.get(self.by)))[0], digest_words(f"{self.seed}:{whole}")[
                0
            ]

        return key

    def decide(
        self, column: Callable[[int], "Keys"], row: Callable[[int], Fields], context: StepContext
    ) -> Decisions:
        """Let the rows with the highest lots go where a value has too many."""
        import numpy as np

        _, value, counts = np.unique(column(0), return_inverse=True, return_counts=True)
        limit = self.at_most
        if limit is None:
            limit = max(int((self.ratio or 1.0) * counts.min()), 1)
        order = np.lexsort((column(1), value))
        starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
        rank = np.arange(len(order)) - starts[value[order]]
        because = np.full(len(order), KEPT, dtype=np.int64)
        gone = order[rank >= limit]
        because[gone] = gone
        return Decisions(because, f"more than {limit} rows of one {self.by}")
