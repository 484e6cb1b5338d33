"""The order of rows: shuffled by seed and epoch, with rows of like length in one batch."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

_BATCHES_SORTED_TOGETHER = 16


class LengthGroupedOrder(Sampler[int]):
    """Deals row positions so that a batch holds rows of like length, with little padding.

    The order of an epoch is a function of seed and epoch alone, so that a resumed run goes on
    with the row that an uninterrupted one would have taken next.

    Args:
        lengths: Number of tokens of each row.
        batch_size_rows: Rows of a batch.
        seed: Seed of the order.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size_rows: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size_rows
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is dealt next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self._seed, self._epoch])
        shuffled = generator.permutation(len(self._lengths))
        pool = self._batch_size * _BATCHES_SORTED_TOGETHER
        batches: list[list[int]] = []
        for start in range(0, len(shuffled), pool):
            part = shuffled[start : start + pool]
            part = part[np.argsort(-self._lengths[part], kind="stable")]
            batches += [
                part[i : i + self._batch_size].tolist()
                for i in range(0, len(part), self._batch_size)
            ]
        # A short batch stays last: in the middle it would shift every batch after it.
        full = [batch for batch in batches if len(batch) == self._batch_size]
        short = [batch for batch in batches if len(batch) < self._batch_size]
        for position in generator.permutation(len(full)):
            yield from full[position]
        for batch in short:
            yield from batch
