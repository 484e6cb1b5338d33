"""Items that are not independent: cluster sums, standard errors and effective sizes."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

_TAIL = 0.975


def cluster_codes(clusters: Sequence[str]) -> NDArray[np.intp]:
    """Return the number of each item's cluster, from 0 by name, such that they are two at least.

    Items of one cluster alone cannot show how clusters differ. They are then told apart, and
    what is found holds for other items of that cluster, not for other clusters.
    """
    names, codes = np.unique(np.asarray(clusters, dtype=object), return_inverse=True)
    return np.arange(len(codes), dtype=np.intp) if len(names) < 2 else codes.astype(np.intp)


def count_clusters(codes: NDArray[np.intp]) -> int:
    """Return how many clusters there are."""
    return int(codes.max()) + 1 if len(codes) else 0


def cluster_sums(values: Floats, codes: NDArray[np.intp]) -> Floats:
    """Return the sum of each column over the items of each cluster.

    Args:
        values: One row an item, shape [items, columns].
        codes: The number of each item's cluster.

    Returns:
        An array of shape [clusters, columns].
    """
    sums = np.zeros((count_clusters(codes), values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


def clustered_standard_error(values: Floats, codes: NDArray[np.intp]) -> float:
    """Return the cluster-robust standard error of a mean.

    The square root of G/(G-1) times the sum over the G clusters of the squared sums of
    deviations, divided by the items: Miller 2024 (arXiv 2411.00640, section 2.2), with the factor
    for few clusters that statsmodels applies for `cov_type="cluster"`. With one item a cluster it
    is the ordinary standard error. NaN for fewer than two clusters.

    Args:
        values: One value an item.
        codes: The number of each item's cluster.
    """
    count = count_clusters(codes)
    if count < 2:
        return math.nan
    sums = cluster_sums((values - values.mean())[:, None], codes)
    return math.sqrt(count / (count - 1) * float((sums**2).sum())) / len(values)


def design_effect(values: Floats, codes: NDArray[np.intp]) -> float:
    """Return how many times the clusters multiply the variance of a mean, at least 1.

    Kish 1965 (Survey Sampling, section 8.2): the clustered variance over that of independent
    items; the clustered one by the jackknife, which few or uneven clusters need (see
    `bootstrap.jackknife_standard_error`). Below 1 it is taken as chance and not as more
    evidence; where all values are equal it cannot be estimated and is 1, as the National Center
    for Health Statistics does for a share of 0 or 1 (Parker and others 2017, Vital and Health
    Statistics 2(175)).
    """
    plain = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
    count = count_clusters(codes)
    if plain == 0 or count < 2:
        return 1.0
    sums, sizes = cluster_sums(np.column_stack([values, np.ones(len(values))]), codes).T
    left_out = (values.sum() - sums) / (len(values) - sizes)
    clustered = (count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum())
    return max(1.0, clustered / plain)


def effective_size(values: Floats, codes: NDArray[np.intp]) -> float:
    """Return how many independent items the clustered items are worth, at most their number.

    Items over design effect, lowered for the few degrees of freedom with which the design effect
    is estimated (Korn and Graubard 1998, Survey Methodology 24:193-201): by the square of the
    ratio of the t quantiles for items - 1 and for clusters - 1.
    """
    items, count = len(values), count_clusters(codes)
    if items < 2 or count == items:
        return float(items)
    ratio = float(stdtrit(items - 1, _TAIL) / stdtrit(count - 1, _TAIL))
    return max(1.0, items / design_effect(values, codes) * ratio**2)


def even_clusters(codes: NDArray[np.intp]) -> float:
    """Return how many items are left if those of a cluster stand or fall together.

    The items squared over the sum of squared cluster sizes (Kish 1965, section 8.2, with full
    correlation): the number of clusters where they are of one size, fewer where they are not.

    Args:
        codes: The number of each item's cluster.
    """
    sizes = np.bincount(codes).astype(float)
    return float(sizes.sum() ** 2 / (sizes**2).sum())
