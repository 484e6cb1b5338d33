"""Leaving out rows that are nearly the same as an earlier row: MinHash with bands."""

from collections import OrderedDict
from collections.abc import Callable
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
    from civicbench.datasets.steps.step import Keys, Numbers

# Rows made from one template may meet by the thousand without being near.
_COMPARED_IN_A_BAND = 50
# About 100 bytes each.
_HELD_PIECES = 1_000_000
_EARLIER_BITS = 32
_EARLIER_MASK = (1 << _EARLIER_BITS) - 1


class NearDuplicates(WholeStep):
    """Keeps the first of rows whose texts overlap almost wholly.

    In the order of the rows, each is compared with those kept before it that share a band of its
    signature (of each band, with the first and the last 50, or the rows for which those went), by
    the true share of common runs of five characters.
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
        """Go through the pairs of rows that share a band, the earlier rows first."""
        import numpy as np

        pairs = np.empty(0, dtype=np.uint64)
        for band in range(bands_for(self.threshold)):
            pairs = np.union1d(pairs, _meeting_pairs(column(band)))
        because = np.full(len(column(0)), KEPT, dtype=np.int64)
        later = (pairs >> _EARLIER_BITS).astype(np.int64)
        earlier = (pairs & _EARLIER_MASK).astype(np.int64)
        held = _HeldPieces(lambda number: self._pieces(row(number), context))
        begins = np.flatnonzero(np.diff(later, prepend=-1))
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(later)], strict=False):
            number = int(later[begin])
            met = earlier[begin:end]
            # For a row that went, the row that it went for is compared.
            kept = np.unique(np.where(because[met] == KEPT, met, because[met])).tolist()
            pieces_here = held.of(number)
            because[number] = next(
                (one for one in kept if overlap(pieces_here, held.of(one)) >= self.threshold), KEPT
            )
        return Decisions(because, "is nearly the same as an earlier row")


class _HeldPieces:
    """The pieces of the rows that were asked for last, within a fixed amount of memory.

    Args:
        make: Returns the pieces of the row of a number.
    """

    def __init__(self, make: Callable[[int], set[str]]) -> None:
        self._make = make
        self._held: OrderedDict[int, set[str]] = OrderedDict()
        self._count = 0

    def of(self, number: int) -> set[str]:
        """Return the pieces of a row."""
        found = self._held.get(number)
        if found is not None:
            self._held.move_to_end(number)
            return found
        found = self._make(number)
        self._held[number] = found
        self._count += len(found)
        while self._count > _HELD_PIECES and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._count -= len(dropped)
        return found


def _meeting_pairs(column: "Keys") -> "Keys":
    """Return (later row, earlier row) as one number for rows with the same key, sorted.

    A row is paired with the first of its key and with the last 50 before it.
    """
    import numpy as np

    order = np.argsort(column, kind="stable")
    ordered = column[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    place = np.arange(len(order))
    begin = np.maximum.accumulate(np.where(new, place, 0))
    place = place[place > begin]
    found = [_pair(order[place], order[begin[place]])]
    for back in range(1, _COMPARED_IN_A_BAND + 1):
        place = place[place - back > begin[place]]
        if not len(place):
            break
        found.append(_pair(order[place], order[place - back]))
    return np.unique(np.concatenate(found))


def _pair(later: "Numbers", earlier: "Numbers") -> "Keys":
    import numpy as np

    high = np.left_shift(later.astype(np.uint64), np.uint64(_EARLIER_BITS))
    return np.bitwise_or(high, earlier.astype(np.uint64))
