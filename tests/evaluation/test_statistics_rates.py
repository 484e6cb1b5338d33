"""Rates, means and clusters of one model, against statsmodels, scipy and published figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from sklearn.metrics import f1_score  # type: ignore[import-untyped]
from statsmodels.api import OLS
from statsmodels.stats.proportion import proportion_confint

from civicbench.evaluation.statistics.clusters import (
    cluster_codes,
    clustered_standard_error,
    design_effect,
    effective_size,
)
from civicbench.evaluation.statistics.means import mean_estimate
from civicbench.evaluation.statistics.measures import confusion_counts, macro_f1, macro_f1_of
from civicbench.evaluation.statistics.rates import none_of, rate_estimate

bits = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60)
labelled = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from("abcdefgh")), min_size=3, max_size=60
)


def apart(count: int) -> list[str]:
    return [str(n) for n in range(count)]


@given(values=bits)
def test_wilson_is_that_of_statsmodels(values: list[float]) -> None:
    low, high = proportion_confint(int(sum(values)), len(values), method="wilson")
    estimate = rate_estimate(values, clusters=apart(len(values)))
    assert estimate.low == pytest.approx(max(low, 0.0), abs=1e-9)
    assert estimate.high == pytest.approx(min(high, 1.0), abs=1e-9)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.method == "Wilson"


@given(items=labelled)
def test_clusters_never_narrow_an_interval(items: list[tuple[float, str]]) -> None:
    values, clusters = [v for v, _ in items], [c for _, c in items]
    plain = rate_estimate(values, clusters=apart(len(values)))
    grouped = rate_estimate(values, clusters=clusters)
    assert grouped.low <= plain.low + 1e-12
    assert grouped.high >= plain.high - 1e-12


def test_items_that_stand_or_fall_together_count_once() -> None:
    """Forty clusters of ten equal items are worth forty items, a little less."""
    values = [float(n // 10 % 2) for n in range(400)]
    codes = cluster_codes([str(n // 10) for n in range(400)])
    assert design_effect(np.array(values), codes) == pytest.approx(10, rel=0.05)
    assert 35 < effective_size(np.array(values), codes) < 40


@pytest.mark.parametrize(
    ("items", "published"),
    [(100, 0.0295), (200, 0.0149), (450, 0.0066), (1200, 0.0025), (44, 0.0658)],
)
def test_no_failure_is_shown_with_its_exact_bound(items: int, published: float) -> None:
    none = rate_estimate([0.0] * items, clusters=apart(items))
    assert none.bound == pytest.approx(published, abs=5e-5)
    assert none.bound == pytest.approx(
        proportion_confint(0, items, alpha=0.1, method="beta")[1]
    )  # two-sided 90 % has 5 % on each side
    every = rate_estimate([1.0] * items, clusters=apart(items))
    assert every.bound == pytest.approx(1 - published, abs=5e-5)
    assert none.bound_together is None
    assert none.low == 0.0
    assert none.high > none_of(items)


def test_no_failure_in_few_clusters_is_also_shown_as_few() -> None:
    estimate = rate_estimate([0.0] * 44, clusters=[str(n % 13) for n in range(44)])
    assert estimate.bound == pytest.approx(1 - 0.05 ** (1 / 44))
    assert estimate.bound_together == pytest.approx(1 - 0.05 ** (1 / 13))
    assert rate_estimate([0.0, 1.0], clusters=["a", "b"]).bound is None


def test_the_clustered_standard_error_is_that_of_statsmodels() -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(11), [1, 1, 2, 2, 3, 3, 4, 5, 8, 12, 20])
    values = generator.normal(size=11)[groups] + generator.normal(size=len(groups))
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    codes = cluster_codes([str(g) for g in groups])
    assert clustered_standard_error(values, codes) == pytest.approx(fit.bse[0])
    plain = OLS(values, np.ones(len(values))).fit()
    singles = cluster_codes(apart(len(values)))
    assert clustered_standard_error(values, singles) == pytest.approx(plain.bse[0])


def test_within_one_cluster_items_count_one_by_one() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    alone = rate_estimate(values, clusters=["x"] * 5)
    assert alone == rate_estimate(values, clusters=apart(5))


def test_a_mean_has_at_least_its_t_interval() -> None:
    values = np.random.default_rng(1).normal(3, 2, size=25)
    estimate = mean_estimate(list(values), clusters=apart(25), seed=1)
    theirs = ttest_1samp(values, 0).confidence_interval(0.95)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low <= theirs.low + 1e-9
    assert estimate.high >= theirs.high - 1e-9
    assert estimate.high - estimate.low < 1.3 * (theirs.high - theirs.low)


def test_a_mean_of_shares_stays_among_shares() -> None:
    estimate = mean_estimate([0.9, 1.0, 0.99, 0.2], clusters=apart(4), seed=1)
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def test_equal_values_do_not_read_as_certainty() -> None:
    estimate = mean_estimate([0.5] * 30, clusters=apart(30), seed=1)
    assert estimate.low < 0.5 < estimate.high
    assert "exact bound" in estimate.method
    unbounded = mean_estimate([7.0] * 30, clusters=apart(30), seed=1)
    assert unbounded.method == "all values equal: no interval"


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_macro_f1_is_that_of_scikit_learn_over_expected_classes(
    pairs: list[tuple[int, int]],
) -> None:
    expected, picked = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    classes = sorted(set(expected.tolist()))
    theirs = f1_score(expected, picked, labels=classes, average="macro", zero_division=0)
    assert macro_f1(expected, picked) == pytest.approx(theirs)


def test_macro_f1_of_a_resample_is_that_of_its_items() -> None:
    """By cluster counts, against drawing the items themselves and computing anew."""
    generator = np.random.default_rng(2)
    expected, picked = generator.integers(5, size=60), generator.integers(5, size=60)
    codes = np.arange(60) // 3
    counts = confusion_counts(expected, picked, codes)
    for _ in range(50):
        drawn = generator.integers(20, size=20)
        items = np.concatenate([np.flatnonzero(codes == cluster) for cluster in drawn])
        quick = macro_f1_of(np.bincount(drawn, minlength=20).astype(float) @ counts)
        assert quick == pytest.approx(macro_f1(expected[items], picked[items]))
