"""Intervals for one model's scores."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.results import Estimate

Z_95 = 1.959963984540054
RESAMPLES = 10_000


def wilson(values: Sequence[float]) -> Estimate:
    """Return the share of ones with its Wilson score interval.

    Wilson's interval (Wilson 1927, JASA 22) stays inside [0, 1] and is not empty at 0 or all.

    Args:
        values: 0.0 or 1.0 an item, at least one.
    """
    n = len(values)
    rate = sum(values) / n
    z2 = Z_95**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # Rounding must not leave the estimate outside its own interval at 0 and 1.
    low, high = min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)
    return Estimate(value=rate, low=low, high=high, items=n, method="Wilson")


def cluster_indices(clusters: Sequence[str]) -> list[NDArray[np.intp]]:
    """Return the positions of each cluster's items, by first appearance."""
    places: dict[str, list[int]] = {}
    for position, cluster in enumerate(clusters):
        places.setdefault(cluster, []).append(position)
    return [np.array(positions) for positions in places.values()]


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    *,
    clusters: Sequence[str],
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic over resampled clusters.

    Whole clusters are drawn with replacement (cluster bootstrap: Davison and Hinkley 1997,
    section 3.8), so that items that are not independent do not pass for more evidence.

    Args:
        statistic: Computes the value from positions of items (with repeats).
        clusters: The cluster of each item.
        seed: Seed of the draws.
        resamples: How many samples are drawn.
    """
    groups = cluster_indices(clusters)
    generator = np.random.default_rng(seed)
    values = np.empty(resamples)
    for number in range(resamples):
        drawn = generator.integers(len(groups), size=len(groups))
        values[number] = statistic(np.concatenate([groups[i] for i in drawn]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def bootstrap_mean(
    values: Sequence[float], *, clusters: Sequence[str], seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % interval of a mean over resampled clusters; see `bootstrap`.

    The same draws as `bootstrap` would make, computed from cluster sums at once.
    """
    groups = cluster_indices(clusters)
    array = np.asarray(values, dtype=float)
    sums = np.array([array[positions].sum() for positions in groups])
    sizes = np.array([len(positions) for positions in groups])
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for number in range(resamples):
        drawn = generator.integers(len(groups), size=len(groups))
        means[number] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def macro_f1(expected: NDArray[np.intp], picked: NDArray[np.intp]) -> float:
    """Return the unweighted mean of F1 over the classes that are expected.

    F1 = 2 TP / (2 TP + FP + FN) per class; classes that no item expects are left out, so that a
    resample without a class is not punished for it.
    """
    scores = []
    for label in np.unique(expected):
        hits = np.sum((expected == label) & (picked == label))
        wrong = np.sum((expected == label) != (picked == label))
        scores.append(2 * hits / (2 * hits + wrong))
    return float(np.mean(scores))
