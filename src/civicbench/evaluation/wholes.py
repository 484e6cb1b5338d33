"""Measures of all items together: they have no value of their own for each item.

Each is computed from what every cluster adds to some totals, so that intervals and comparisons of
two models come from the same resampled clusters as those of shares.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import Better, Estimate
from civicbench.evaluation.settings import ChoiceTask, JudgedTask, RatingTask, Task
from civicbench.evaluation.statistics.bootstrap import Statistic
from civicbench.evaluation.statistics.clusters import Floats, cluster_codes, cluster_sums
from civicbench.evaluation.statistics.means import totals_estimate
from civicbench.evaluation.statistics.measures import (
    ambiguous_bias_of,
    bias_of,
    confusion_counts,
    correlation_of,
    gap_of,
    macro_f1_of,
    share_of,
)

MACRO_F1 = "macro-F1"
BIAS = "bias score"
AMBIGUOUS_BIAS = "bias score, unclear contexts"
CORRELATION = "correlation with people"
EVENNESS = "same in all versions"
GAP = "gap between versions"
RATING = "rating"
_VALUE = "accuracy"

Codes = NDArray[np.intp]
Counts = Callable[[Sequence[ItemRecord], Codes], Floats]


@dataclass(frozen=True)
class Whole:
    """A measure of all items together.

    Attributes:
        better: Which way is better.
        limits: The least and the greatest value possible.
        counts: What each cluster adds to the totals.
        statistic: Computes the value from totals.
        share: Whether it is a share, or the difference of two, and reads as a percentage.
        headline: Whether it stands in the short table where its task does.
        sliced: Whether it means something on a part of the items.
    """

    better: Better
    limits: tuple[float, float]
    counts: Counts
    statistic: Statistic
    share: bool = False
    headline: bool = True
    sliced: bool = False

    def estimate(
        self, items: Sequence[ItemRecord], *, clusters: Sequence[str], seed: int
    ) -> Estimate:
        """Return the measure with its 95 % interval.

        Args:
            items: The item records, at least one.
            clusters: The cluster of each.
            seed: Seed of bootstrap draws.
        """
        return totals_estimate(
            self.counts(items, cluster_codes(clusters)),
            self.statistic,
            limits=self.limits,
            items=len(items),
            seed=seed,
        )


def positions(items: Sequence[ItemRecord]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (position of the right choice, of the picked one) of each record."""
    return (
        np.array([item.expected_position for item in items], dtype=np.intp),
        np.array([item.answer_position for item in items], dtype=np.intp),
    )


def whole_names(task: Task) -> tuple[str, ...]:
    """Return the measures of all items together that a task has."""
    found: list[str] = []
    if isinstance(task, RatingTask):
        found.append(CORRELATION)
    if isinstance(task, ChoiceTask):
        found += [MACRO_F1] if task.macro_f1 else []
        if task.bias is not None:
            found.append(AMBIGUOUS_BIAS if task.bias == "in unclear contexts" else BIAS)
    if isinstance(task, ChoiceTask | JudgedTask) and task.versions is not None:
        found += [EVENNESS, gap_name(task.versions.sides)]
    return tuple(found)


def gap_name(sides: tuple[str, str]) -> str:
    """Return the name of the gap between two versions: it says which is taken from which."""
    return f"{GAP} ({sides[1]} less {sides[0]})"


def find_whole(metric: str) -> Whole | None:
    """Return the measure of all items together that a metric is; None for means of items."""
    if metric.startswith(f"{GAP} ("):
        second, _, first = metric.removeprefix(f"{GAP} (").removesuffix(")").partition(" less ")
        return Whole("zero", (-1.0, 1.0), _gap_counts(first, second), gap_of, share=True)
    return _WHOLES.get(metric)


def _confusion(items: Sequence[ItemRecord], codes: Codes) -> Floats:
    expected, picked = positions(items)
    return confusion_counts(expected, picked, codes)


def _bias_counts(items: Sequence[ItemRecord], codes: Codes) -> Floats:
    roles = [item.roles[item.answer_position] for item in items]
    columns = [
        [role == "biased", role != "unknown", item.values[_VALUE], 1.0]
        for role, item in zip(roles, items, strict=True)
    ]
    return cluster_sums(np.array(columns, dtype=float), codes)


def _correlation_counts(items: Sequence[ItemRecord], codes: Codes) -> Floats:
    x = np.array([item.values[RATING] for item in items])
    y = np.array([float(item.reference or 0.0) for item in items])
    # Sums of squares of numbers that lie far from 0 lose digits: the scale does not matter.
    scale = max(1.0, float(np.abs(y).max()))
    x, y = x / scale, y / scale
    return cluster_sums(np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y]), codes)


def _even_counts(items: Sequence[ItemRecord], codes: Codes) -> Floats:
    """Count cases whose versions are all answered alike; a case counts in its first's cluster."""
    cases: dict[tuple[str, int | None], list[int]] = {}
    for place, item in enumerate(items):
        cases.setdefault((item.case, item.seed), []).append(place)
    columns = np.zeros((len(items), 2))
    for places in cases.values():
        columns[places[0]] = (len({_answer(items[place]) for place in places}) == 1, 1.0)
    return cluster_sums(columns, codes)


def _answer(item: ItemRecord) -> str:
    return item.answer if item.judgement is None else item.judgement.label


def _gap_counts(first: str, second: str) -> Counts:
    def counts(items: Sequence[ItemRecord], codes: Codes) -> Floats:
        value = np.array([item.values[_VALUE] for item in items])
        one = np.array([item.side == first for item in items], dtype=float)
        two = np.array([item.side == second for item in items], dtype=float)
        return cluster_sums(np.column_stack([one * value, one, two * value, two]), codes)

    return counts


_WHOLES: Mapping[str, Whole] = {
    MACRO_F1: Whole("higher", (0.0, 1.0), _confusion, macro_f1_of, share=True, headline=False),
    BIAS: Whole("zero", (-1.0, 1.0), _bias_counts, bias_of, share=True, sliced=True),
    AMBIGUOUS_BIAS: Whole(
        "zero", (-1.0, 1.0), _bias_counts, ambiguous_bias_of, share=True, sliced=True
    ),
    CORRELATION: Whole("higher", (-1.0, 1.0), _correlation_counts, correlation_of),
    EVENNESS: Whole("higher", (0.0, 1.0), _even_counts, share_of, share=True),
}
