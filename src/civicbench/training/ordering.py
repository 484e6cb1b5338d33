"""Which rows each optimiser step takes, and how ranks and forward passes share them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np


class StepOrder:
    """Deals rows to the optimiser steps of a whole run: shuffled anew in every epoch.

    What a step takes is a function of seed and step alone, so that a resumed run goes on with the
    rows that an uninterrupted one would have taken next, on however many ranks.

    Args:
        rows: Number of training rows.
        batch_size_rows: Rows of one step over all ranks; an epoch's last step may have fewer.
        epochs: Passes over the rows; the last one may be a part.
        seed: Seed of the order.
    """

    def __init__(self, rows: int, *, batch_size_rows: int, epochs: float, seed: int) -> None:
        self._rows = rows
        self._batch_size = batch_size_rows
        self._seed = seed
        self.steps_per_epoch = max(math.ceil(rows / batch_size_rows), 1)
        # 1.1 epochs of 10 steps are 11 steps, not the 12 that rounding errors would make of them.
        self.steps = max(math.ceil(round(self.steps_per_epoch * epochs, 6)), 1)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.steps):
            yield self.rows_of(step)

    def rows_of(self, step: int) -> list[int]:
        """Return the positions of the rows that a step takes, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
        start = place * self._batch_size
        found: list[int] = order[start : start + self._batch_size].tolist()
        return found


def share_out(rows: Sequence[int], *, lengths: Sequence[int], shares: int) -> list[list[int]]:
    """Return rows in shares of about as many tokens: the longest row first, to the lightest share.

    This is Graham's longest-processing-time rule (SIAM J. Appl. Math. 17, 1969). Some shares are
    empty where there are fewer rows than shares.

    Args:
        rows: Positions of the rows.
        lengths: Tokens of every row, by position.
        shares: How many shares.
    """
    found: list[list[int]] = [[] for _ in range(shares)]
    tokens = [0] * shares
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        lightest = min(range(shares), key=lambda share: (tokens[share], share))
        found[lightest].append(row)
        tokens[lightest] += lengths[row]
    return found


def split_passes(
    rows: Sequence[int], *, lengths: Sequence[int], least: int, limit_tokens: int | None
) -> list[list[int]]:
    """Return a rank's rows in forward passes, none of them empty.

    Args:
        rows: Positions of the rows.
        lengths: Tokens of every row, by position.
        least: Passes at least, as far as there are rows.
        limit_tokens: Most tokens of a pass; a longer row gets a pass of its own. None for no limit.
    """
    passes = min(least, len(rows))
    while passes < len(rows):
        shares = share_out(rows, lengths=lengths, shares=passes)
        largest = max(sum(lengths[row] for row in share) for share in shares)
        if limit_tokens is None or largest <= limit_tokens:
            return shares
        passes += 1
    return share_out(rows, lengths=lengths, shares=passes)


def rounded_tokens(tokens: int) -> int:
    """Return the length to which a pass is filled up on a processor in bfloat16.

    Its matrix products are made anew for each length, and kept: few lengths spare memory. No pass
    grows by more than a thirty-second part.

    Args:
        tokens: The tokens of its rows.
    """
    step = max(1, 1 << (tokens // 32).bit_length() - 1) if tokens >= 32 else 1
    return -(-tokens // step) * step
