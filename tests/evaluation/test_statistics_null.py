"""Simulated experiments: verdicts, intervals and claims are false as seldom as they promise."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from civicbench.evaluation.results import Estimate
from civicbench.evaluation.statistics.clusters import cluster_sums
from civicbench.evaluation.statistics.families import holm, judge_difference
from civicbench.evaluation.statistics.pairs import mean_difference
from civicbench.evaluation.statistics.randomisation import sign_flip
from civicbench.evaluation.statistics.rates import rate_estimate

pytestmark = pytest.mark.slow

Codes = NDArray[np.intp]
Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, Codes], tuple[Values, Values]]

RUNS = 400
# What 400 runs of a chance of 5 % exceed once in a thousand times; of 2.5 %, likewise.
MOST_FALSE = int(binom.ppf(0.999, RUNS, 0.05))
MOST_CLAIMS = int(binom.ppf(0.999, RUNS, 0.025))
LEAST_COVERED = 0.92 * RUNS
UNEVEN = (1, 1, 1, 2, 2, 3, 3, 4, 5, 8, 12, 20)
DESIGNS: dict[str, Sequence[int]] = {
    "60 single items": (1,) * 60,
    "22 clusters of 2": (2,) * 22,
    "36 clusters of 4": (4,) * 36,
    "13 clusters of 3 or 4": (3,) * 8 + (4,) * 5,
    "9 clusters of 4": (4,) * 9,
    "24 uneven clusters": UNEVEN + UNEVEN,
}


def codes_of(sizes: Sequence[int]) -> Codes:
    return np.repeat(np.arange(len(sizes)), sizes)


def binary(generator: np.random.Generator, codes: Codes) -> tuple[Values, Values]:
    """Two models of which neither is better; each has topics that it is better at."""
    topics = codes.max() + 1
    chance = generator.beta(1.8, 1.2, topics)
    shift = generator.normal(0, 0.15, topics)
    luck = generator.uniform(size=len(codes))
    other = np.where(
        generator.uniform(size=len(codes)) < 0.5, luck, generator.uniform(size=len(codes))
    )
    one = (luck < chance[codes]).astype(float)
    two = (other < (chance + shift)[codes]).astype(float)
    return (one, two) if generator.uniform() < 0.5 else (two, one)


def skewed(generator: np.random.Generator, codes: Codes) -> tuple[Values, Values]:
    """Values without limits whose differences are skewed within an item and symmetric over all."""
    topics = codes.max() + 1
    shift = generator.normal(0, 0.5, topics)[codes]
    one, two = (generator.exponential(size=len(codes)) for _ in range(2))
    return one, two + shift


def compare(codes: Codes, draw: Draw) -> tuple[list[Estimate], list[float]]:
    generator = np.random.default_rng(11)
    differences, p_values = [], []
    for run in range(RUNS):
        first, second = draw(generator, codes)
        sums = cluster_sums((second - first)[:, None], codes)[:, 0]
        differences.append(mean_difference(list(first), list(second), codes=codes, seed=run))
        p_values.append(sign_flip(sums, seed=run))
    return differences, p_values


@pytest.mark.parametrize("draw", [binary, skewed])
@pytest.mark.parametrize("design", DESIGNS)
def test_equal_models_seldom_read_as_better_or_worse(
    design: str, draw: Draw, record_property: Callable[[str, object], None]
) -> None:
    differences, p_values = compare(codes_of(DESIGNS[design]), draw)
    verdicts = [
        judge_difference(difference, better="higher", p_value=p_value, margin=None)
        for difference, p_value in zip(differences, p_values, strict=True)
    ]
    false = sum(verdict in ("better", "worse") for verdict in verdicts)
    covered = sum(d.low <= 0 <= d.high for d in differences)
    record_property("false verdicts", false / RUNS)
    record_property("coverage", covered / RUNS)
    assert false <= MOST_FALSE
    assert covered >= LEAST_COVERED


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(
    ("margin", "gain", "alike"), [(0.1, 0.0, 0.0), (0.1, 0.0, 0.2), (0.2, 0.1, 0.2)]
)
def test_a_model_that_loses_the_margin_seldom_reads_as_no_worse(
    design: str,
    margin: float,
    gain: float,
    alike: float,
    record_property: Callable[[str, object], None],
) -> None:
    """Losses alone, or with gains; alone or alike within a topic, by an intraclass correlation."""
    codes = codes_of(DESIGNS[design])

    def share(generator: np.random.Generator, mean: float) -> Values:
        topics = codes.max() + 1
        if not alike or not mean:
            return np.full(len(codes), mean)
        strength = (1 - alike) / alike
        chances: Values = generator.beta(mean * strength, (1 - mean) * strength, topics)
        return chances[codes]

    def draw(generator: np.random.Generator, codes: Codes) -> tuple[Values, Values]:
        lost = generator.uniform(size=len(codes)) < share(generator, margin + gain)
        won = generator.uniform(size=len(codes)) < share(generator, gain / (1 - margin - gain))
        both = generator.uniform(size=len(codes)) < share(generator, 0.6)
        first = np.where(lost, 1.0, np.where(won, 0.0, both))
        return first, np.where(lost, 0.0, np.where(won, 1.0, both))

    differences, _ = compare(codes, draw)
    claims = sum(
        judge_difference(difference, better="higher", p_value=None, margin=margin)
        == "no worse by more than the margin"
        for difference in differences
    )
    record_property("false claims", claims / RUNS)
    # Rare losses that come in uneven clusters are the hardest case (docs/statistics.md).
    assert claims <= (MOST_FALSE if alike else MOST_CLAIMS)


def test_a_decision_of_seven_suites_seldom_holds_one_false_verdict(
    record_property: Callable[[str, object], None],
) -> None:
    codes = codes_of(DESIGNS["22 clusters of 2"])
    generator = np.random.default_rng(13)
    alone = together = 0
    for run in range(RUNS):
        found: list[tuple[Estimate, float]] = []
        for suite in range(7):
            first, second = binary(generator, codes)
            sums = cluster_sums((second - first)[:, None], codes)[:, 0]
            seed = run * 7 + suite
            difference = mean_difference(list(first), list(second), codes=codes, seed=seed)
            found.append((difference, sign_flip(sums, seed=seed)))
        own = [p_value for _, p_value in found]
        for adjusted in (False, True):
            verdicts = [
                judge_difference(difference, better="higher", p_value=p_value, margin=None)
                for (difference, _), p_value in zip(
                    found, holm(own) if adjusted else own, strict=True
                )
            ]
            hit = any(verdict != "not distinguishable" for verdict in verdicts)
            together += adjusted and hit
            alone += not adjusted and hit
    record_property("a false verdict without Holm", alone / RUNS)
    record_property("a false verdict with Holm", together / RUNS)
    assert together <= MOST_FALSE
    assert together < alone


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_intervals_of_rates_hold_the_true_rate(
    design: str, rate: float, record_property: Callable[[str, object], None]
) -> None:
    codes = codes_of(DESIGNS[design])
    names = [str(code) for code in codes]
    generator = np.random.default_rng(17)
    covered = 0
    for _ in range(RUNS):
        chance = generator.beta(rate * 3, (1 - rate) * 3, codes.max() + 1)[codes]
        values = (generator.uniform(size=len(codes)) < chance).astype(float)
        estimate = rate_estimate(list(values), clusters=names)
        covered += estimate.low <= rate <= estimate.high
    record_property("coverage", covered / RUNS)
    # Rare failures in uneven clusters are the one case measured below 92 % (docs/statistics.md).
    hard = rate == 0.9 and design == "24 uneven clusters"
    assert covered >= (0.9 * RUNS if hard else LEAST_COVERED)


@pytest.mark.parametrize(
    ("clusters", "each", "margin", "alike"),
    [
        (22, 2, 0.1, 0.2),
        (22, 2, 0.1, 0.5),
        (36, 4, 0.03, 0.2),
        (36, 4, 0.06, 0.5),
        (10, 50, 0.05, 0.2),
    ],
)
def test_losses_that_are_seldom_seen_seldom_read_as_no_worse(
    clusters: int,
    each: int,
    margin: float,
    alike: float,
    record_property: Callable[[str, object], None],
) -> None:
    """Margins near what these items can just show, with losses as alike as right answers are."""
    codes = np.repeat(np.arange(clusters), each)
    generator = np.random.default_rng(19)
    strength = (1 - alike) / alike
    claims = 0
    for run in range(RUNS):
        right = generator.beta(0.8 * strength, 0.2 * strength, clusters)[codes]
        gone = generator.beta(margin / 0.8 * strength, (1 - margin / 0.8) * strength, clusters)
        first = (generator.uniform(size=len(codes)) < right).astype(float)
        second = first * (generator.uniform(size=len(codes)) >= gone[codes])
        difference = mean_difference(list(first), list(second), codes=codes, seed=run)
        claims += difference.low > -margin
    record_property("false claims", claims / RUNS)
    assert claims <= MOST_CLAIMS
