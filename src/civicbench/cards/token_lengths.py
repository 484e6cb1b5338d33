"""How long rows are in the tokens of a base model, for a data card."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TokenLengths:
    """Lengths of a split's rows, prompt and answer together, in one tokenizer's tokens.

    Attributes:
        model: The base model whose tokenizer and template were used.
        split: The split.
        rows: Rows of the split.
        counted: Rows that were counted: fewer where the split is very long.
        median: Half of the rows are no longer.
        high: 95 in a hundred are no longer.
        longest: The longest of those counted.
        mean: Their mean.
    """

    model: str
    split: str
    rows: int
    counted: int
    median: int
    high: int
    longest: int
    mean: float


def summarise_lengths(lengths: Sequence[int], *, model: str, split: str, rows: int) -> TokenLengths:
    """Return the summary of counted lengths; quantiles are the nearest rank's.

    Args:
        lengths: At least one row's length in tokens.
        model: The base model.
        split: The split.
        rows: Rows of the split.
    """
    ordered = sorted(lengths)

    def rank(share: float) -> int:
        return ordered[max(-(-int(share * 100) * len(ordered) // 100), 1) - 1]

    return TokenLengths(
        model=model,
        split=split,
        rows=rows,
        counted=len(ordered),
        median=rank(0.5),
        high=rank(0.95),
        longest=ordered[-1],
        mean=sum(ordered) / len(ordered),
    )
