"""P-values from swapping two models within whole clusters."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.statistics.clusters import Floats
from civicbench.evaluation.statistics.pairs import Contrast

DRAWS = 10_000
_MOST_ENUMERATED = 16
_CELLS_AT_ONCE = 2_000_000
# Sums of the same numbers in another order may differ by rounding.
_ROUNDING = 1e-9


def sign_flip(differences: Floats, *, seed: int) -> float:
    """Return the two-sided p-value that differences summed by cluster are centred on zero.

    Fisher 1935 (The Design of Experiments, section 21), with whole clusters as units: were the
    models alike, which of the two gave which answers of a cluster would be arbitrary. Clusters
    without a difference change nothing and are left out. Up to 16 others are enumerated, so that
    the p-value is exact; beyond, 10,000 draws count the observed one as well, which keeps the
    test from being too bold (Phipson and Smyth 2010, SAGMB 9:39).

    Args:
        differences: The sum of second minus first of each cluster.
        seed: Seed of the draws.
    """
    changed = differences[differences != 0]
    observed = abs(float(changed.sum())) - _ROUNDING * float(np.abs(changed).sum())
    exact = len(changed) <= _MOST_ENUMERATED
    sizes, frequencies = np.unique(np.abs(changed), return_counts=True)
    if not exact and 2 * len(sizes) < len(changed):
        # Of clusters with one size of difference, only how many are swapped matters.
        generator = np.random.default_rng(seed)
        swapped = generator.binomial(frequencies, 0.5, size=(DRAWS, len(sizes)))
        sums = (frequencies - 2 * swapped) @ sizes
        return _share(int((np.abs(sums) >= observed).sum()), DRAWS, exact=False)
    reached = total = 0
    for signs in _swaps(len(changed), seed=seed):
        sums = changed.sum() - 2 * (signs @ changed)
        reached += int((np.abs(sums) >= observed).sum())
        total += len(signs)
    return _share(reached, total, exact=exact)


def swap_test(contrast: Contrast, *, seed: int) -> float:
    """Return the two-sided p-value of a difference by swapping the models within clusters.

    For statistics that are no means: approximate randomisation (Noreen 1989, Computer-intensive
    Methods for Testing Hypotheses, chapter 2), with whole clusters as units; see `sign_flip`.

    Args:
        contrast: The two models.
        seed: Seed of the draws.
    """
    first, second, statistic = contrast.first, contrast.second, contrast.statistic
    differs = (first != second).any(axis=1)
    whole_first, whole_second = first.sum(axis=0), second.sum(axis=0)
    changes = (second - first)[differs]
    observed = abs(float(statistic(whole_second) - statistic(whole_first))) - _ROUNDING
    reached = total = 0
    for swapped in _swaps(len(changes), seed=seed):
        moved = swapped @ changes
        found = statistic(whole_second - moved) - statistic(whole_first + moved)
        reached += int((np.abs(found) >= observed).sum())
        total += len(swapped)
    return _share(reached, total, exact=len(changes) <= _MOST_ENUMERATED)


def _share(reached: int, total: int, *, exact: bool) -> float:
    return reached / total if exact else (reached + 1) / (total + 1)


def _swaps(clusters: int, *, seed: int) -> Iterator[Floats]:
    """Yield which clusters are swapped, some draws at a time: 1.0 where swapped."""
    if clusters <= _MOST_ENUMERATED:
        numbers = np.arange(2**clusters)
        yield ((numbers[:, None] >> np.arange(clusters)) & 1).astype(float)
        return
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // clusters)
    for start in range(0, DRAWS, step):
        drawn: NDArray[np.int8] = generator.integers(
            2, size=(min(step, DRAWS - start), clusters), dtype=np.int8
        )
        yield drawn.astype(float)
