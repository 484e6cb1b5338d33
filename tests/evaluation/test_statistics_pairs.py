"""Two models: tests, intervals, verdicts and power, against statsmodels and scipy."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.results import Better, Comparison, Estimate, Verdict
from civicbench.evaluation.statistics.families import adjust_family, holm, judge_difference
from civicbench.evaluation.statistics.pairs import (
    contrast_macro_f1,
    contrast_means,
    estimate_contrast,
    mcnemar_exact,
    mean_difference,
    score_interval,
)
from civicbench.evaluation.statistics.power import minimum_detectable
from civicbench.evaluation.statistics.randomisation import sign_flip, swap_test
from civicbench.evaluation.statistics.rates import Z_95, none_of
from civicbench.evaluation.statistics.spread import difference_noise, measure_spread

booleans = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(pairs=booleans)
def test_mcnemar_is_that_of_statsmodels(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    table = np.zeros((2, 2))
    for a, b in pairs:
        table[int(a), int(b)] += 1
    expected = mcnemar(table, exact=True).pvalue if table[0, 1] + table[1, 0] else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(min(expected, 1.0))
    assert mcnemar_exact(first, second) == mcnemar_exact(second, first)


@settings(max_examples=30)
@given(differences=st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=2, max_size=16))
def test_flipping_signs_of_single_items_is_mcnemars_test(differences: list[float]) -> None:
    zeros = [0.0] * len(differences)
    expected = mcnemar_exact(zeros, differences)
    assert sign_flip(np.array(differences), seed=1) == pytest.approx(expected)


def test_enumerated_signs_are_those_of_scipy() -> None:
    sums = np.random.default_rng(3).normal(0.4, 1, size=10)
    theirs = permutation_test(
        (sums, np.zeros(10)), lambda a, b, axis: np.abs((a - b).sum(axis=axis)),
        permutation_type="samples", alternative="greater", vectorized=True, n_resamples=2**12,
    )  # fmt: skip
    assert sign_flip(sums, seed=1) == pytest.approx(theirs.pvalue)


def test_drawn_signs_are_near_the_exact_p_value_and_never_nought() -> None:
    differences = np.array([1.0] * 20 + [-1.0] * 8)
    exact = mcnemar_exact([0.0] * 28, list(differences))
    assert sign_flip(differences, seed=1) == pytest.approx(exact, abs=0.006)
    assert sign_flip(np.ones(40), seed=1) == pytest.approx(1 / 10_001)
    unlike = np.random.default_rng(5).normal(0.3, 1, size=30)
    theirs = permutation_test(
        (unlike, np.zeros(30)), lambda a, b, axis: np.abs((a - b).sum(axis=axis)),
        permutation_type="samples", alternative="greater", vectorized=True, n_resamples=20_000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert sign_flip(unlike, seed=1) == pytest.approx(theirs.pvalue, abs=0.015)


def test_swapping_by_hand_gives_the_same_p_value_of_macro_f1() -> None:
    generator = np.random.default_rng(4)
    codes = np.repeat(np.arange(7), 3)
    expected, first, second = (generator.integers(3, size=21) for _ in range(3))
    contrast = contrast_macro_f1(expected, first, second, codes=codes)
    observed = abs(estimate_contrast(contrast, seed=1).value)
    reached = 0
    for swapped in product([False, True], repeat=7):
        mask = np.array(swapped)[codes]
        one, other = np.where(mask, second, first), np.where(mask, first, second)
        swap = contrast_macro_f1(expected, one, other, codes=codes)
        reached += abs(float(swap.difference(swap.both.sum(axis=0)))) >= observed - 1e-12
    assert swap_test(contrast, seed=1) == pytest.approx(reached / 2**7)


@pytest.mark.parametrize(("gained", "lost", "size"), [(12, 2, 50), (0, 3, 44), (5, 5, 30)])
def test_score_intervals_end_where_the_likeliest_share_says(
    gained: int, lost: int, size: int
) -> None:
    """Against the likelihood, maximised numerically under each end's difference."""
    for end in score_interval(gained / size, lost / size, size=size):

        def unlikelihood(share: float, end: float = end) -> float:
            parts = (
                (gained, share + end),
                (lost, share),
                (size - gained - lost, 1 - 2 * share - end),
            )
            return -sum(count * math.log(max(p, 1e-300)) for count, p in parts if count)

        bounds = (max(0.0, -end), (1 - end) / 2)
        share = minimize_scalar(unlikelihood, bounds=bounds, method="bounded",
                                options={"xatol": 1e-12}).x  # fmt: skip
        error = math.sqrt((2 * share + end - end**2) / size)
        assert abs((gained - lost) / size - end) / error == pytest.approx(Z_95, rel=1e-3)


def test_no_differing_item_is_not_certainty() -> None:
    values = [float(n % 2) for n in range(44)]
    found = mean_difference(values, values, codes=np.arange(44), seed=1)
    assert found.value == 0
    assert found.high == -found.low == pytest.approx(none_of(44, confidence=0.975))
    assert "exact bound" in found.method


def test_more_losses_never_read_as_safer() -> None:
    """The low end falls from loss to loss, the first one included, with and without clusters."""
    for codes in (np.arange(44), np.arange(44) % 13):
        lows = []
        for losses in range(6):
            after = [0.0 if n < losses else 1.0 for n in range(44)]
            lows.append(mean_difference([1.0] * 44, after, codes=codes, seed=1).low)
        assert lows == sorted(lows, reverse=True)


def test_items_that_change_together_give_a_wider_interval() -> None:
    after = [float(n // 10 % 2) for n in range(200)]
    together = mean_difference([0.0] * 200, after, codes=np.arange(200) // 10, seed=1)
    single = mean_difference([0.0] * 200, after, codes=np.arange(200), seed=1)
    assert together.high - together.low > 2 * (single.high - single.low)


def test_the_minimum_detectable_effect_is_that_of_a_t_test() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=80), generator.normal(size=80)
    found = minimum_detectable(contrast_means(list(first), list(second), codes=np.arange(80)))
    theirs = TTestPower().solve_power(nobs=80, alpha=0.05, power=0.8) * (second - first).std(ddof=1)
    assert found == pytest.approx(theirs, rel=0.01)


def test_without_a_differing_item_there_still_is_an_effect_too_small_to_find() -> None:
    alike = contrast_means([1.0, 0.0] * 50, [1.0, 0.0] * 50, codes=np.arange(100))
    assert minimum_detectable(alike) == pytest.approx(
        2.83 * math.sqrt(none_of(100) / 100), rel=0.01
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12])
def test_holm_is_that_of_statsmodels(size: int) -> None:
    generator = np.random.default_rng(size)
    for p_values in generator.uniform(size=(3, size)) ** 3:
        theirs = multipletests(p_values, method="holm")[1]
        assert holm(list(p_values)) == pytest.approx(tuple(theirs))
    assert holm([0.02] * size) == pytest.approx((min(1.0, 0.02 * size),) * size)


@pytest.mark.parametrize(
    ("low", "high", "better", "p_value", "margin", "verdict"),
    [
        (0.01, 0.2, "higher", 0.01, None, "better"),
        (-0.2, -0.01, "higher", 0.01, None, "worse"),
        (0.01, 0.2, "higher", 0.06, None, "not distinguishable"),
        (0.01, 0.2, "higher", None, None, "not distinguishable"),
        (-0.1, 0.1, "higher", 0.01, None, "not distinguishable"),
        (0.0, 0.1, "higher", 0.01, None, "not distinguishable"),
        (0.01, 0.2, "lower", 0.01, None, "worse"),
        (-0.2, -0.01, "lower", 0.01, None, "better"),
        (-0.04, 0.1, "higher", 0.6, 0.05, "no worse by more than the margin"),
        (-0.05, 0.1, "higher", 0.6, 0.05, "not distinguishable"),
        (-0.1, 0.04, "lower", 0.6, 0.05, "no worse by more than the margin"),
        (-0.04, -0.01, "higher", 0.01, 0.05, "worse"),
        (0.01, 0.2, "higher", 0.06, 0.05, "no worse by more than the margin"),
        (0.01, 0.2, "half", 0.01, None, "better"),
    ],
)
def test_verdicts(
    low: float,
    high: float,
    better: Better,
    p_value: float | None,
    margin: float | None,
    verdict: Verdict,
) -> None:
    difference = Estimate(value=(low + high) / 2, low=low, high=high, items=10, method="test")
    found = judge_difference(difference, better=better, p_value=p_value, margin=margin)
    assert found == verdict


def comparison(task: str, *, p_cluster: float, headline: bool = True) -> Comparison:
    clear = Estimate(value=0.1, low=0.01, high=0.2, items=10, method="test")
    return Comparison(
        suite="s",
        task=task,
        title=task,
        kind="domain",
        metric="accuracy",
        better="higher",
        headline=headline,
        base=clear,
        tuned=clear,
        difference=clear,
        p_value=None,
        p_cluster=p_cluster,
        gained=0,
        lost=0,
        verdict="not distinguishable",
    )


def test_a_decisions_headline_measures_are_adjusted_together_and_others_are_not() -> None:
    found = adjust_family(
        [
            comparison("a", p_cluster=0.02),
            comparison("b", p_cluster=0.04),
            comparison("c", p_cluster=0.04, headline=False),
            comparison("d", p_cluster=0.9),
        ],
        margins={("s", "d", "accuracy"): 0.1, ("other", "a", "accuracy"): 0.1},
    )
    assert [c.p_holm for c in found] == [pytest.approx(0.06), pytest.approx(0.08), None, 0.9]
    assert [c.margin for c in found] == [None, None, None, 0.1]
    assert [c.verdict for c in found] == [
        "not distinguishable",
        "not distinguishable",
        "better",
        "no worse by more than the margin",
    ]


def test_the_spread_of_repeats() -> None:
    spread = measure_spread([0.5, 0.75, 0.5], items=[[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 1, 0]])
    assert (spread.range, spread.changed_items, spread.items, spread.repeats) == (0.25, 2, 4, 3)
    assert spread.deviation == pytest.approx(np.std([0.5, 0.75, 0.5], ddof=1))
    assert difference_noise(spread, spread) == 0.5
    with pytest.raises(InvalidInputError, match="fewer than two"):
        measure_spread([0.5], items=[[1, 0]])
    with pytest.raises(InvalidInputError, match="same items"):
        measure_spread([0.5, 0.5], items=[[1, 0], [1]])
