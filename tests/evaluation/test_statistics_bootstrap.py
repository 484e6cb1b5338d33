"""Resampling, against scipy and the plain way of doing it."""

import time
from typing import Literal

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import t

from civicbench.evaluation.statistics.bootstrap import (
    bca_interval,
    jackknife,
    jackknife_interval,
    jackknife_standard_error,
    percentile_interval,
    resample,
)
from civicbench.evaluation.statistics.clusters import clustered_standard_error
from civicbench.evaluation.statistics.measures import mean_counts, mean_of


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_the_interval_is_that_of_scipy(method: Literal["BCa", "percentile"]) -> None:
    values = np.random.default_rng(4).exponential(size=60)
    counts = mean_counts(list(values), np.arange(60))
    drawn = resample(counts, mean_of, seed=1, resamples=40_000)
    ours = percentile_interval(drawn)
    if method == "BCa":
        ours = bca_interval(float(values.mean()), drawn, jackknife(counts, mean_of))
    theirs = scipy_bootstrap(
        (values,), np.mean, method=method, n_resamples=40_000, rng=np.random.default_rng(3)
    ).confidence_interval  # fmt: skip
    error = values.std() / np.sqrt(60)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * error)


def test_on_the_same_draws_bca_is_that_of_scipy() -> None:
    values = np.random.default_rng(8).exponential(size=30)
    theirs = scipy_bootstrap(
        (values,), np.mean, method="BCa", n_resamples=5000, rng=np.random.default_rng(3)
    )  # fmt: skip
    counts = mean_counts(list(values), np.arange(30))
    ours = bca_interval(
        float(values.mean()), theirs.bootstrap_distribution, jackknife(counts, mean_of)
    )
    low, high = theirs.confidence_interval
    assert ours == pytest.approx((low, high), rel=1e-9)


def test_equal_clusters_counted_together_are_drawn_alike() -> None:
    """The quick way for few kinds of clusters, against the slow one for many."""
    values = [float(n % 2) for n in range(400)]
    same = mean_counts(values, np.arange(400))
    unlike = same + np.random.default_rng(1).normal(size=same.shape) * 1e-9
    one, other = (resample(rows, mean_of, seed=5) for rows in (same, unlike))
    assert one.std() == pytest.approx(other.std(), rel=0.05)
    assert one.std() == pytest.approx(0.5 / np.sqrt(400), rel=0.05)


def test_the_jackknife_is_the_clustered_standard_error_where_clusters_are_equal() -> None:
    generator = np.random.default_rng(5)
    codes = np.arange(60) // 5
    values = generator.normal(size=12)[codes] + generator.normal(size=60)
    left_out = jackknife(mean_counts(list(values), codes), mean_of)
    error = clustered_standard_error(values, codes)
    assert jackknife_standard_error(left_out) == pytest.approx(error)
    low, high = jackknife_interval(float(values.mean()), left_out)
    assert high - low == pytest.approx(2 * t.ppf(0.975, 11) * error)


def test_resampling_clusters_gives_the_spread_of_their_means() -> None:
    generator = np.random.default_rng(5)
    means = generator.normal(size=120)
    values = np.repeat(means, 5) + generator.normal(size=600) * 0.1
    drawn = resample(mean_counts(list(values), np.arange(600) // 5), mean_of, seed=1)
    assert drawn.std() == pytest.approx(
        values.reshape(120, 5).mean(1).std() / np.sqrt(120), rel=0.05
    )


def test_a_seed_fixes_the_draws_and_another_changes_them() -> None:
    counts = mean_counts(list(np.random.default_rng(6).normal(size=20)), np.arange(20))
    first, again, other = (resample(counts, mean_of, seed=s, resamples=200) for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.slow
def test_forty_comparisons_of_thousands_of_items_take_seconds() -> None:
    generator = np.random.default_rng(7)
    started = time.monotonic()
    for _ in range(40):
        counts = mean_counts(list(generator.normal(size=3000)), np.arange(3000))
        resample(counts, mean_of, seed=1)
    assert time.monotonic() - started < 60
