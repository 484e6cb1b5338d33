"""Means of values that are not just right or wrong, and any other statistic of one model."""

from collections.abc import Sequence

import numpy as np

from civicbench.evaluation.results import Estimate
from civicbench.evaluation.statistics.bootstrap import (
    Statistic,
    bca_interval,
    jackknife,
    jackknife_interval,
    resample,
)
from civicbench.evaluation.statistics.clusters import Floats, cluster_codes
from civicbench.evaluation.statistics.measures import mean_counts, mean_of
from civicbench.evaluation.statistics.rates import none_of

WIDER = "BCa bootstrap and jackknife t over clusters, the wider ends"
ONE_SIDE = 0.975


def mean_estimate(values: Sequence[float], *, clusters: Sequence[str], seed: int) -> Estimate:
    """Return the mean of values of any size with its 95 % interval; see `totals_estimate`.

    Values that all lie in [0, 1] are taken to be bounded there.

    Args:
        values: One value an item, at least one.
        clusters: The cluster of each item.
        seed: Seed of bootstrap draws.
    """
    lowest, highest = min(values), max(values)
    limits = (0.0, 1.0) if lowest >= 0 and highest <= 1 else None
    counts = mean_counts(values, cluster_codes(clusters))
    return totals_estimate(counts, mean_of, limits=limits, items=len(values), seed=seed)


def totals_estimate(
    counts: Floats,
    statistic: Statistic,
    *,
    limits: tuple[float, float] | None,
    items: int,
    seed: int,
    size: float | None = None,
) -> Estimate:
    """Return a statistic of cluster totals with its 95 % interval.

    Of the BCa bootstrap and the jackknife t interval, both over clusters, the wider ends: with
    few clusters the bootstrap is too narrow, with skewed values t is (`docs/statistics.md` has
    the measured coverage). Where leaving out any cluster changes nothing, as when all items have
    one value, neither shows anything: the interval is then what is left if the share of items
    that are otherwise is the largest that is compatible with none of them being so.

    Args:
        counts: What each cluster adds to the totals, shape [clusters, columns].
        statistic: Computes the value from totals.
        limits: The least and the greatest value possible; None where there are none.
        items: Items it stands on.
        seed: Seed of bootstrap draws.
        size: The effective number of items, for the bound; None for their number.
    """
    value = float(statistic(counts.sum(axis=0)))
    if len(counts) < 2:
        low, high = limits or (value, value)
        return Estimate(
            value=value, low=low, high=high, items=items, method="one item: no interval"
        )
    left_out = jackknife(counts, statistic)
    if np.allclose(left_out, value, rtol=0, atol=1e-12):
        return _same_everywhere(value, limits=limits, items=items, size=size or items)
    drawn = resample(counts, statistic, seed=seed)
    ends = (bca_interval(value, drawn, left_out), jackknife_interval(value, left_out))
    low, high = min(value, *(end[0] for end in ends)), max(value, *(end[1] for end in ends))
    if limits:
        low, high = max(low, limits[0]), min(high, limits[1])
    return Estimate(value=value, low=low, high=high, items=items, method=WIDER)


def _same_everywhere(
    value: float, *, limits: tuple[float, float] | None, items: int, size: float
) -> Estimate:
    if limits is None:
        return Estimate(
            value=value, low=value, high=value, items=items, method="all values equal: no interval"
        )
    share = none_of(size, confidence=ONE_SIDE)
    return Estimate(
        value=value,
        low=value - share * (value - limits[0]),
        high=value + share * (limits[1] - value),
        items=items,
        method="exact bound on the share of items that are otherwise",
    )
