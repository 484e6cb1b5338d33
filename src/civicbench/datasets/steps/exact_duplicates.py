"""Leaving out rows that repeat an earlier row."""

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from civicbench.datasets.steps.filter_pattern import folded
from civicbench.datasets.steps.step import Decisions, Fields, KeyFunction, StepContext, WholeStep

if TYPE_CHECKING:
    from civicbench.datasets.steps.step import Keys, Numbers

_WORD_BYTES = 8
DIGEST_COLUMNS = 2


class ExactDuplicates(WholeStep):
    """Keeps the first of rows that say the same."""

    step: Literal["exact-duplicates"] = "exact-duplicates"
    """The step's name."""
    fields: tuple[str, ...] | None = None
    """Fields that make two rows the same; None compares the user's turn and every answer."""
    fold: bool = False
    """Whether case, blanks and punctuation are left out of the comparison."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named fields."""
        return self.fields or ()

    @property
    def key_columns(self) -> int:
        """A digest of 128 bits."""
        return DIGEST_COLUMNS

    def open_key(self, context: StepContext) -> KeyFunction:
        """Return the function that digests a row."""
        template = context.format
        names = self.fields

        def key(fields: Fields) -> tuple[int, ...]:
            if names is None:
                parts = [template.user_text(fields), template.assistant_text(fields)]
                rejected = template.rejected_text(fields)
                if rejected is not None:
                    parts.append(rejected)
            else:
                parts = [str(fields.get(name)) for name in names]
            return digest_words("\x1f".join(map(folded, parts) if self.fold else parts))

        return key

    def decide(
        self, column: Callable[[int], "Keys"], row: Callable[[int], Fields], context: StepContext
    ) -> Decisions:
        """Let every row go whose digest an earlier one has."""
        return Decisions(first_of_same(column(0), column(1)), "repeats an earlier row")


def digest_words(text: str) -> tuple[int, int]:
    """Return 128 bits of a text's digest as two whole numbers."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=2 * _WORD_BYTES).digest()
    return (
        int.from_bytes(digest[:_WORD_BYTES], "big"),
        int.from_bytes(digest[_WORD_BYTES:], "big"),
    )


def first_of_same(*columns: "Keys") -> "Numbers":
    """Return for each row the number of the first row with the same key, or -1 for a first."""
    import numpy as np

    count = len(columns[0])
    order = np.lexsort(columns[::-1])  # stable: rows of one key stay in their order
    begins = np.ones(count, dtype=bool)
    if count > 1:
        same = np.ones(count - 1, dtype=bool)
        for column in columns:
            ordered = column[order]
            same &= ordered[1:] == ordered[:-1]
        begins[1:] = ~same
    firsts = order[np.maximum.accumulate(np.where(begins, np.arange(count), 0))]
    because = np.full(count, -1, dtype=np.int64)
    because[order] = np.where(begins, -1, firsts)
    return because
