"""Intervals and tests against statsmodels, scipy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from civicbench.evaluation.results import Estimate
from civicbench.evaluation.statistics.pairs import (
    judge_difference,
    mcnemar_exact,
    paired_difference,
)
from civicbench.evaluation.statistics.rates import bootstrap, bootstrap_mean, macro_f1, wilson

bits = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60)


@given(values=bits)
def test_wilson_is_that_of_statsmodels(values: list[float]) -> None:
    low, high = proportion_confint(int(sum(values)), len(values), method="wilson")
    estimate = wilson(values)
    assert estimate.low == pytest.approx(max(low, 0.0), abs=1e-9)
    assert estimate.high == pytest.approx(min(high, 1.0), abs=1e-9)
    assert estimate.low <= estimate.value <= estimate.high


def test_no_failure_in_forty_does_not_read_as_certainty() -> None:
    estimate = wilson([0.0] * 40)
    assert estimate.low == 0.0
    assert 0.08 < estimate.high < 0.09


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_that_of_statsmodels(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    table = np.zeros((2, 2))
    for a, b in pairs:
        table[int(a), int(b)] += 1
    expected = mcnemar(table, exact=True).pvalue if table[0, 1] + table[1, 0] else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(min(expected, 1.0))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_macro_f1_is_that_of_scikit_learn_over_expected_classes(
    pairs: list[tuple[int, int]],
) -> None:
    expected, picked = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    classes = sorted(set(expected.tolist()))
    theirs = f1_score(expected, picked, labels=classes, average="macro", zero_division=0)
    assert macro_f1(expected, picked) == pytest.approx(theirs)


def test_the_quick_mean_is_the_bootstrap_of_the_mean() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=30)
    clusters = [str(i // 4) for i in range(30)]
    quick = bootstrap_mean(list(values), clusters=clusters, seed=3, resamples=400)
    slow = bootstrap(
        lambda drawn: float(values[drawn].mean()), clusters=clusters, seed=3, resamples=400
    )
    assert quick == pytest.approx(slow)


def test_items_that_stand_or_fall_together_give_a_wider_interval() -> None:
    values = [float(i // 10 % 2) for i in range(200)]
    apart = bootstrap_mean(values, clusters=[str(i) for i in range(200)], seed=1)
    together = bootstrap_mean(values, clusters=[str(i // 10) for i in range(200)], seed=1)
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0] * 6
    clusters = [str(i) for i in range(30)]
    first = paired_difference([0.0] * 30, values, clusters=clusters, seed=9)
    assert first == paired_difference([0.0] * 30, values, clusters=clusters, seed=9)
    assert first.low <= first.value <= first.high


@pytest.mark.parametrize(
    ("low", "high", "better", "verdict"),
    [
        (0.01, 0.2, "higher", "better"),
        (-0.2, -0.01, "higher", "worse"),
        (-0.1, 0.1, "higher", "not distinguishable"),
        (0.0, 0.1, "higher", "not distinguishable"),
        (0.01, 0.2, "lower", "worse"),
        (-0.2, -0.01, "lower", "better"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(
    low: float, high: float, better: str, verdict: str
) -> None:
    difference = Estimate(value=(low + high) / 2, low=low, high=high, items=10, method="test")
    assert judge_difference(difference, better=better) == verdict  # type: ignore[arg-type]


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_mcnemar_is_the_binomial_test_of_scipy(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    gained = sum(b > a for a, b in pairs)
    changed = sum(a != b for a, b in pairs)
    cumulative = binom.cdf(min(gained, changed - gained), changed, 0.5)
    assert mcnemar_exact(first, second) == pytest.approx(min(1.0, 2 * cumulative))
    assert mcnemar_exact(first, second) == mcnemar_exact(second, first)


def test_the_interval_of_a_mean_is_near_that_of_theory_and_of_scipy() -> None:
    values = np.random.default_rng(4).normal(size=400)
    low, high = bootstrap_mean(list(values), clusters=[str(i) for i in range(400)], seed=2)
    half = 1.959964 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)
    theirs = scipy_bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(3)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * half)


def test_the_interval_over_clusters_has_the_width_of_the_clustered_standard_error() -> None:
    """Against the spread of cluster means, which are independent of each other."""
    generator = np.random.default_rng(5)
    means = generator.normal(size=120)
    values = np.repeat(means, 5) + generator.normal(size=600) * 0.1
    clusters = [str(i // 5) for i in range(600)]
    low, high = bootstrap_mean(list(values), clusters=clusters, seed=1)
    expected = 2 * 1.959964 * values.reshape(120, 5).mean(1).std() / np.sqrt(120)
    assert high - low == pytest.approx(expected, rel=0.1)


def test_another_seed_draws_other_samples() -> None:
    values = list(np.random.default_rng(6).normal(size=20))
    clusters = [str(i) for i in range(20)]
    drawn = {bootstrap_mean(values, clusters=clusters, seed=s, resamples=200) for s in (1, 1, 2)}
    assert len(drawn) == 2


@pytest.mark.slow
def test_equal_models_are_called_different_at_about_the_nominal_rate() -> None:
    """Simulated null: two models with the same chance on every item, in clusters of three."""
    generator = np.random.default_rng(7)
    clusters = [str(i // 3) for i in range(144)]
    called = 0
    for number in range(300):
        chance = np.repeat(generator.uniform(0.1, 0.9, 48), 3)
        first = (generator.uniform(size=144) < chance).astype(float)
        second = (generator.uniform(size=144) < chance).astype(float)
        difference = paired_difference(list(first), list(second), clusters=clusters, seed=number)
        called += judge_difference(difference, better="higher") != "not distinguishable"
    # Nominal 15 of 300; the percentile interval of 48 clusters is known to be a little short.
    assert called <= 30
