"""Leaving out rows that are nearly the same as an earlier row: MinHash with bands."""

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from civicbench.datasets.steps.shingles import band_keys, bands_for, overlap, pieces
from civicbench.datasets.steps.step import (
    KEPT,
    Decisions,
    Fields,
    KeyFunction,
    StepContext,
    WholeStep,
    texts,
)  # fmt: skip

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from civicbench.datasets.steps.step import Keys

# Rows made from one template may meet by the thousand without being near.
_COMPARED_IN_A_BAND = 50
_HELD_TEXTS = 20_000


class NearDuplicates(WholeStep):
    """Keeps the first of rows whose texts overlap almost wholly.

    In the order of the rows, each is compared with those kept before it that share a band of its
    signature (with the last 50 of each band), by the true share of common runs of five characters.
    """

    step: Literal["near-duplicates"] = "near-duplicates"
    """The step's name."""
    fields: tuple[str, ...] | None = None
    """Fields that are compared, taken together; None for those that the conversation is made of."""
    threshold: Annotated[float, Field(ge=0.7, le=1.0)] = 0.85
    """Share of common runs of five characters from which two rows are near."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named fields."""
        return self.fields or ()

    @property
    def key_columns(self) -> int:
        """A number a band."""
        return bands_for(self.threshold)

    def open_key(self, context: StepContext) -> KeyFunction:
        """Return the function that signs a row."""
        bands = bands_for(self.threshold)

        def key(fields: Fields) -> list[int]:
            return band_keys(self._pieces(fields, context), bands=bands)

        return key

    def _pieces(self, fields: Fields, context: StepContext) -> set[str]:
        names = self.fields or context.format.turn_fields
        return pieces("\x1f".join(text for _, text in texts(fields, names)))

    def decide(
        self, column: Callable[[int], "Keys"], row: Callable[[int], Fields], context: StepContext
    ) -> Decisions:
        """Go through the rows that share a band with another, in order."""
        import numpy as np

        bands = bands_for(self.threshold)
        count = len(column(0))
        because = np.full(count, KEPT, dtype=np.int64)
        meeting = np.zeros(count, dtype=bool)
        for band in range(bands):
            meeting |= _shared(column(band)) >= 0
        met = np.flatnonzero(meeting)
        # Sorted twice, so that only rows that meet another are held for every band.
        meetings = np.stack([_shared(column(band))[met] for band in range(bands)], axis=1)

        @lru_cache(maxsize=_HELD_TEXTS)
        def pieces_of(number: int) -> set[str]:
            return self._pieces(row(number), context)

        kept: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number, groups in zip(met.tolist(), meetings, strict=True):
            places = [(band, group) for band, group in enumerate(groups.tolist()) if group >= 0]
            near = sorted({n for place in places for n in kept[place]})
            found = next(
                (n for n in near if overlap(pieces_of(number), pieces_of(n)) >= self.threshold),
                None,
            )
            if found is not None:
                because[number] = found
                continue
            for place in places:
                kept[place].append(number)
                if len(kept[place]) > _COMPARED_IN_A_BAND:
                    kept[place].pop(0)
        return Decisions(because, "is nearly the same as an earlier row")


def _shared(column: "Keys") -> "NDArray[numpy.int32]":
    """Return for each row the number of its group of equal keys, or -1 where it is alone."""
    import numpy as np

    order = np.argsort(column, kind="stable")
    ordered = column[order]
    new = np.ones(len(column), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    group = np.cumsum(new) - 1
    alone = np.bincount(group, minlength=1) == 1
    numbered = np.full(len(column), -1, dtype=np.int32)
    numbered[order] = np.where(alone[group], -1, group)
    return numbered
