"""Resampling whole clusters: bootstrap and jackknife of anything computed from their totals."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from civicbench.evaluation.statistics.clusters import Floats

Statistic = Callable[[Floats], Floats]
"""Computes values of shape [...] from totals of shape [..., columns]."""

RESAMPLES = 10_000
_TAILS = (0.025, 0.975)
_CELLS_AT_ONCE = 2_000_000
_CELLS_KEPT = 64_000_000
# A multinomial draw costs per kind of cluster what 1.6 drawn indices cost.
_COST_OF_A_KIND = 1.6


def resample(
    rows: Floats, statistic: Statistic, *, seed: int, resamples: int = RESAMPLES
) -> Floats:
    """Return a statistic's values over resampled clusters.

    As many clusters as there are get drawn with replacement (cluster bootstrap: Davison and
    Hinkley 1997, Bootstrap Methods and their Application, section 3.8). How often each is drawn
    follows a multinomial distribution, so a resample's totals are its counts times `rows`;
    clusters with equal rows are counted together.

    Args:
        rows: What each cluster adds to the totals, shape [clusters, columns].
        statistic: Computes the statistic from totals.
        seed: Seed of the draws.
        resamples: How many are drawn.
    """
    _, seen, frequencies = np.unique(rows, axis=0, return_index=True, return_counts=True)
    order = np.argsort(seen)
    kinds, frequencies = rows[seen[order]], frequencies[order]
    if _COST_OF_A_KIND * len(kinds) < len(rows):
        generator = np.random.default_rng(seed)
        counts = generator.multinomial(len(rows), frequencies / len(rows), size=resamples)
        return statistic(counts.astype(float) @ kinds)
    parts = [
        statistic(counts.astype(float) @ rows)
        for counts in _counts(len(rows), seed=seed, resamples=resamples)
    ]
    return np.concatenate(parts)


def jackknife(rows: Floats, statistic: Statistic) -> Floats:
    """Return a statistic's value without each cluster in turn."""
    return statistic(rows.sum(axis=0) - rows)


def jackknife_standard_error(left_out: Floats) -> float:
    """Return the standard error from the values without each cluster in turn.

    The cluster jackknife, also known as CV3, with (G-1)/G times the sum of squares. It is the
    cluster-robust standard error for clusters of one size, and a little larger for others, which
    few or uneven clusters need (MacKinnon, Nielsen and Webb 2023, Journal of Applied Econometrics
    38:671-694).
    """
    count = len(left_out)
    return float(np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()))


def jackknife_interval(value: float, left_out: Floats) -> tuple[float, float]:
    """Return the 95 % t interval around a value, with clusters - 1 degrees of freedom.

    Args:
        value: The statistic of all clusters.
        left_out: Its value without each cluster in turn.
    """
    half = float(stdtrit(len(left_out) - 1, _TAILS[1])) * jackknife_standard_error(left_out)
    return value - half, value + half


def percentile_interval(drawn: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap values (Efron 1979)."""
    low, high = np.quantile(drawn, _TAILS)
    return float(low), float(high)


def bca_interval(value: float, drawn: Floats, left_out: Floats) -> tuple[float, float]:
    """Return the 95 % bias-corrected and accelerated interval.

    Efron 1987 (JASA 82:171-185); the acceleration comes from the jackknife over clusters, and
    resamples that equal the value count half, as in `scipy.stats.bootstrap(method="BCa")`.

    Args:
        value: The statistic of all clusters.
        drawn: Its bootstrap values.
        left_out: Its value without each cluster in turn.
    """
    below = (np.mean(drawn < value) + np.mean(drawn <= value)) / 2
    edge = 0.5 / len(drawn)
    bias = float(ndtri(np.clip(below, edge, 1 - edge)))
    spread = left_out.mean() - left_out
    squares = float((spread**2).sum())
    acceleration = float((spread**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
    z = bias + ndtri(np.array(_TAILS))
    low, high = np.quantile(drawn, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def _counts(clusters: int, *, seed: int, resamples: int) -> Iterator[NDArray[np.uint8]]:
    """Yield how often each cluster is drawn, some resamples at a time."""
    if clusters * resamples <= _CELLS_KEPT:
        step = max(1, _CELLS_AT_ONCE // clusters)
        kept = _kept_counts(clusters, seed, resamples)
        yield from (kept[start : start + step] for start in range(0, resamples, step))
    else:
        yield from _draw_counts(clusters, seed, resamples)


@lru_cache(maxsize=1)
def _kept_counts(clusters: int, seed: int, resamples: int) -> NDArray[np.uint8]:
    """Return all counts at once: the metrics of a suite share clusters and seed."""
    return np.concatenate(list(_draw_counts(clusters, seed, resamples)))


def _draw_counts(clusters: int, seed: int, resamples: int) -> Iterator[NDArray[np.uint8]]:
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // clusters)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(clusters, size=(size, clusters))
        drawn += np.arange(size)[:, None] * clusters
        counts = np.bincount(drawn.ravel(), minlength=size * clusters)
        yield counts.reshape(size, clusters).astype(np.uint8)
