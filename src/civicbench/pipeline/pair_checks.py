"""Checks of preferences: that both answers follow the same prompt, and differ."""

from collections.abc import Sequence

from civicbench.pipeline.finding import Finding, count_rows
from civicbench.pipeline.reading_rows import TrainedRow


def check_pairs(rows: Sequence[TrainedRow], *, pairs: int) -> Finding:
    """Look whether each row has two answers to a prompt of the same tokens.

    Args:
        rows: All preferred answers, then all rejected ones, as training packs them.
        pairs: How many rows there are.
    """
    if len(rows) != 2 * pairs:
        return Finding(
            what="pairs",
            found=f"{pairs:,} rows, and {len(rows):,} answers that can be trained on",
            state="bad",
            remedy="give every row a rejected answer, and see the other checks",
        )
    preferred, rejected = rows[:pairs], rows[pairs:]
    broken = [
        one.text.name
        for one, other in zip(preferred, rejected, strict=True)
        if _prompt(one) != _prompt(other) or one.packed.ids == other.packed.ids
    ]
    return Finding(
        what="pairs",
        found=f"not two answers to one prompt in {count_rows(broken)}"
        if broken
        else f"{pairs:,}: both answers follow the same prompt, token by token, and differ",
        state="bad" if broken else "good",
        remedy="mend or leave out these rows" if broken else "",
    )


def _prompt(row: TrainedRow) -> tuple[int, ...]:
    return tuple(
        token
        for token, trained in zip(row.packed.ids, row.packed.trained, strict=True)
        if not trained
    )
