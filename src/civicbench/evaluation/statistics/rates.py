"""Shares of items: Wilson's interval, clustered or not, and what none of n items shows."""

import math
from collections.abc import Sequence

import numpy as np

from civicbench.evaluation.results import Estimate
from civicbench.evaluation.statistics.clusters import cluster_codes, count_clusters, effective_size

Z_95 = 1.959963984540054


def is_binary(values: Sequence[float]) -> bool:
    """Return whether every value is 0 or 1, so that their mean is a share."""
    return all(value in (0, 1) for value in values)


def wilson_interval(rate: float, *, size: float) -> tuple[float, float]:
    """Return the 95 % score interval of a share.

    Wilson 1927 (JASA 22:209-212): it stays inside [0, 1] and is not empty at none or at all.

    Args:
        rate: The share.
        size: The items it stands on, or their effective number.
    """
    z2 = Z_95**2
    centre = (rate + z2 / (2 * size)) / (1 + z2 / size)
    half = Z_95 / (1 + z2 / size) * math.sqrt(rate * (1 - rate) / size + z2 / (4 * size * size))
    # Rounding must not leave the estimate outside its own interval at 0 and 1.
    return min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)


def none_of(items: float, *, confidence: float = 0.95) -> float:
    """Return the highest share that is compatible with none of n items having a property.

    The exact one-sided bound of Clopper and Pearson 1934 (Biometrika 26:404-413), in closed form
    1 - (1 - confidence)^(1/n): 2.95 % at 100 items, 0.66 % at 450.

    Args:
        items: How many items, or their effective number.
        confidence: How often a bound made so holds.
    """
    return float(1 - (1 - confidence) ** (1 / items))


def rate_estimate(values: Sequence[float], *, clusters: Sequence[str]) -> Estimate:
    """Return the share of ones with its 95 % interval.

    Wilson's interval on the effective number of items, which with one item a cluster is the
    number of items: of the intervals for a share from clustered samples, the Wilson interval on
    the effective size kept its coverage best (Franco, Little, Louis and Slud 2019, Journal of
    Survey Statistics and Methodology 7:334-364). As the effective size is at most the number of
    items, it is never narrower than plain Wilson. None or all of the items also get the exact
    one-sided bound.

    Args:
        values: 0.0 or 1.0 an item, at least one.
        clusters: The cluster of each item.
    """
    array = np.asarray(values, dtype=float)
    codes = cluster_codes(clusters)
    items, count = len(array), count_clusters(codes)
    rate = float(array.mean())
    low, high = wilson_interval(rate, size=effective_size(array, codes))
    bound = together = None
    if rate in (0.0, 1.0):
        bound = none_of(items) if rate == 0 else 1 - none_of(items)
        if count < items:
            together = none_of(count) if rate == 0 else 1 - none_of(count)
    return Estimate(
        value=rate,
        low=low,
        high=high,
        items=items,
        method="Wilson" if count == items else "Wilson on the effective number of items",
        bound=bound,
        bound_together=together,
    )
