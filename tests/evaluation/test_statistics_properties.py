"""What holds of every comparison: order, exchange, first losses and seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicbench.evaluation.results import Estimate
from civicbench.evaluation.statistics.bootstrap import resample
from civicbench.evaluation.statistics.clusters import cluster_codes, even_clusters
from civicbench.evaluation.statistics.means import mean_estimate
from civicbench.evaluation.statistics.pairs import (
    Contrast,
    contrast_macro_f1,
    contrast_means,
    estimate_contrast,
    mean_difference,
)
from civicbench.evaluation.statistics.power import minimum_detectable
from civicbench.evaluation.statistics.randomisation import sign_flip, swap_test
from civicbench.evaluation.statistics.rates import none_of, rate_estimate

names = st.sampled_from("abcdefghijkl")
bit = st.sampled_from([0.0, 1.0])
grade = st.integers(0, 20).map(lambda n: n / 20)
pairs = st.one_of(
    st.lists(st.tuples(bit, bit, names), min_size=3, max_size=40),
    st.lists(st.tuples(grade, grade, names), min_size=3, max_size=40),
)
picks = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), names),
    min_size=3,
    max_size=40,
)
few = settings(max_examples=40, deadline=None)


def ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def differ(items: list[tuple[float, float, str]], *, seed: int = 3) -> Estimate:
    first, second, clusters = ([item[n] for item in items] for n in range(3))
    return mean_difference(first, second, codes=cluster_codes(clusters), seed=seed)  # type: ignore[arg-type]


def f1(items: list[tuple[int, int, int, str]], *, swapped: bool = False) -> Contrast:
    expected, first, second = (np.array([item[n] for item in items]) for n in range(3))
    if swapped:
        first, second = second, first
    return contrast_macro_f1(expected, first, second, codes=cluster_codes([i[3] for i in items]))


@few
@given(items=pairs, data=st.data())
def test_the_order_of_items_changes_nothing(
    items: list[tuple[float, float, str]], data: st.DataObject
) -> None:
    clusters = {name for _, _, name in items}
    # Within one cluster items are drawn one by one, by their order; records bring their ids.
    if len(clusters) < 2:
        return
    shuffled = data.draw(st.permutations(items))
    assert ends(differ(shuffled)) == pytest.approx(ends(differ(items)), abs=1e-9)
    values, groups = [i[0] for i in items], [i[2] for i in items]
    others, other_groups = [i[0] for i in shuffled], [i[2] for i in shuffled]
    one = mean_estimate(values, clusters=groups, seed=3)
    other = mean_estimate(others, clusters=other_groups, seed=3)
    assert ends(one) == pytest.approx(ends(other), abs=1e-9)
    binary = [float(v > 0.5) for v in values]
    one = rate_estimate(binary, clusters=groups)
    other = rate_estimate([float(v > 0.5) for v in others], clusters=other_groups)
    assert ends(one) == pytest.approx(ends(other))


@few
@given(items=pairs)
def test_exchanging_the_models_turns_the_difference_round(
    items: list[tuple[float, float, str]],
) -> None:
    there, back = differ(items), differ([(b, a, c) for a, b, c in items])
    assert (-back.value, -back.high, -back.low) == pytest.approx(ends(there), abs=1e-9)
    codes = cluster_codes([c for _, _, c in items])
    sums = np.bincount(codes, weights=[b - a for a, b, _ in items]).astype(float)
    assert sign_flip(sums, seed=1) == sign_flip(-sums, seed=1)
    assert there.low <= there.value <= there.high


@few
@given(items=picks)
def test_exchanging_the_models_turns_macro_f1_round(items: list[tuple[int, int, int, str]]) -> None:
    there = estimate_contrast(f1(items), seed=1)
    back = estimate_contrast(f1(items, swapped=True), seed=1)
    assert (-back.value, -back.high, -back.low) == pytest.approx(ends(there), abs=1e-9)
    assert swap_test(f1(items), seed=1) == swap_test(f1(items, swapped=True), seed=1)
    assert there.low <= there.value <= there.high


@few
@given(items=st.lists(st.tuples(bit, names), min_size=6, max_size=60), place=st.integers(0, 59))
def test_a_first_loss_never_reads_as_safer_than_none(
    items: list[tuple[float, str]], place: int
) -> None:
    before = [value for value, _ in items]
    place %= len(items)
    before[place] = 1.0
    after = [value for n, value in enumerate(before) if n != place]
    after.insert(place, 0.0)
    codes = cluster_codes([name for _, name in items])
    none = mean_difference(before, before, codes=codes, seed=1)
    one = mean_difference(before, after, codes=codes, seed=1)
    assert one.low <= none.low + 1e-12
    alike = minimum_detectable(contrast_means(before, before, codes=codes))
    unlike = minimum_detectable(contrast_means(before, after, codes=codes))
    assert alike is not None
    assert unlike is not None
    assert unlike >= min(alike, 1.0) - 1e-12


@pytest.mark.parametrize(
    ("clusters", "each", "least", "most"),
    [(6, 3, 0.185, 0.459), (22, 2, 0.080, 0.154), (36, 4, 0.025, 0.097)],
)
def test_no_differing_item_is_between_single_items_and_whole_clusters(
    clusters: int, each: int, least: float, most: float
) -> None:
    """The ends: none of all items, none of all clusters, each with 1 chance in 40."""
    items = clusters * each
    codes = np.arange(items) // each
    assert none_of(items, confidence=0.975) == pytest.approx(least, abs=5e-4)
    assert none_of(clusters, confidence=0.975) == pytest.approx(most, abs=5e-4)
    together = [float(code % 2) for code in codes]
    single = [float(n % 2) for n in range(items)]
    whole = mean_difference(together, together, codes=codes, seed=1)
    apart = mean_difference(single, single, codes=codes, seed=1)
    assert whole.high == -whole.low == pytest.approx(most, abs=5e-4)
    assert least <= apart.high < whole.high


def test_clusters_of_one_size_count_whole_and_uneven_ones_less() -> None:
    assert even_clusters(np.arange(44) // 2) == pytest.approx(22)
    assert even_clusters(np.array([0] * 9 + [1])) == pytest.approx(100 / 82)


def test_a_seed_fixes_an_interval_and_another_moves_it_a_little() -> None:
    generator = np.random.default_rng(9)
    items = [(float(a), float(b), str(n // 3)) for n, (a, b) in
             enumerate(generator.exponential(size=(90, 2)))]  # fmt: skip
    assert differ(items, seed=1) == differ(items, seed=1)
    one, other = differ(items, seed=1), differ(items, seed=2)
    assert ends(one) != ends(other)
    assert ends(one) == pytest.approx(ends(other), abs=0.05 * (one.high - one.low))


def test_sums_that_are_zero_but_for_rounding_tie() -> None:
    """Of these only the order of adding keeps some sums from being zero."""
    differences = np.array([-0.1, 0.3, -0.6, 0.1, 0.6, -0.5, -0.3, 0.5])
    assert sign_flip(differences, seed=1) == 1.0


def test_exchanging_the_models_turns_each_resample_round() -> None:
    """Where equal clusters are counted together, and drawn by their numbers."""
    first, second = np.random.default_rng(2).integers(2, size=(2, 300)).astype(float)
    drawn = []
    for one, other in ((first, second), (second, first)):
        contrast = contrast_means(list(one), list(other), codes=np.arange(300))
        drawn.append(resample(contrast.both, contrast.difference, seed=1, resamples=50))
    assert drawn[0] == pytest.approx(-drawn[1])
