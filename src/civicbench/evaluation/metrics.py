"""From item records to metrics with intervals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import (
    EXPOSURE,
    Estimate,
    MetricResult,
    Place,
    SliceEstimate,
)
from civicbench.evaluation.settings import ChoiceTask, SuiteSettings, Task
from civicbench.evaluation.statistics.clusters import cluster_codes
from civicbench.evaluation.statistics.means import mean_estimate, totals_estimate
from civicbench.evaluation.statistics.measures import confusion_counts, macro_f1_of
from civicbench.evaluation.statistics.rates import is_binary, rate_estimate
from civicbench.evaluation.statistics.spread import Spread, measure_spread
from civicbench.evaluation.twins.records import twin_metrics, twin_records

ACCURACY = "accuracy"
MACRO_F1 = "macro-F1"
PROMPT_LENGTH = "prompt length"
_LENGTHS = (
    (64, "up to 63 tokens"),
    (128, "64 to 127 tokens"),
    (256, "128 to 255 tokens"),
    (512, "256 to 511 tokens"),
)
_LONGEST = "512 tokens and more"
_LENGTH_ORDER = (*(name for _, name in _LENGTHS), _LONGEST)


def metric_names(task: Task) -> tuple[str, ...]:
    """Return the metrics of a task that have a value an item; the first is its headline."""
    if isinstance(task, ChoiceTask):
        return (EXPOSURE, ACCURACY) if task.exposure else (ACCURACY,)
    return (ACCURACY, "well formed", *(f"{line} right" for line in task.fields))


def suite_metrics(
    suite: SuiteSettings, items: Sequence[ItemRecord], *, seed: int
) -> tuple[MetricResult, ...]:
    """Return every metric of every task of a suite, with intervals and slices.

    Args:
        suite: The suite.
        items: Its item records.
        seed: Seed of bootstrap draws.
    """
    results = []
    for task in suite.tasks:
        asked = [item for item in items if item.task == task.name]
        for position, metric in enumerate(metric_names(task)):
            results.append(
                MetricResult(
                    task=task.name,
                    title=task.title,
                    metric=metric,
                    better=task.better,
                    headline=task.headline and position == 0,
                    estimate=metric_estimate(asked, metric, seed=seed),
                    slices=tuple(
                        SliceEstimate(
                            field=field,
                            value=value,
                            estimate=metric_estimate(part, metric, seed=seed),
                        )
                        for field, value, part in slices_of(asked, suite.slices)
                    ),
                )
            )
        if isinstance(task, ChoiceTask) and task.macro_f1:
            results.append(
                MetricResult(
                    task=task.name,
                    title=task.title,
                    metric=MACRO_F1,
                    better="higher",
                    headline=False,
                    estimate=macro_f1_estimate(asked, seed=seed),
                )
            )
    return (*results, *_twin_results(suite, items, seed=seed))


def _twin_results(
    suite: SuiteSettings, items: Sequence[ItemRecord], *, seed: int
) -> list[MetricResult]:
    found = []
    for measure in suite.twins.measures if suite.twins else ():
        pairs = twin_records([measure], items)
        for position, (metric, better) in enumerate(twin_metrics(measure)):
            found.append(
                MetricResult(
                    task=measure.name,
                    title=measure.title,
                    metric=metric,
                    better=better,
                    headline=measure.headline and position == 0,
                    estimate=metric_estimate(pairs, metric, seed=seed),
                    slices=tuple(
                        SliceEstimate(
                            field=field,
                            value=value,
                            estimate=metric_estimate(part, metric, seed=seed),
                        )
                        for field, value, part in slices_of(pairs, suite.slices)
                    ),
                )
            )
    return found


def metric_estimate(items: Sequence[ItemRecord], metric: str, *, seed: int) -> Estimate:
    """Return the mean of a metric's values with its interval: a share's where all are 0 or 1.

    Args:
        items: The item records, at least one.
        metric: The metric.
        seed: Seed of bootstrap draws.
    """
    values = [item.values[metric] for item in items]
    clusters = clusters_of(items)
    if is_binary(values):
        return rate_estimate(values, clusters=clusters)
    return mean_estimate(values, clusters=clusters, seed=seed)


def macro_f1_estimate(items: Sequence[ItemRecord], *, seed: int) -> Estimate:
    """Return macro-F1 of picked against right choices, with its interval over clusters."""
    expected, picked = positions(items)
    codes = cluster_codes(clusters_of(items))
    return totals_estimate(
        confusion_counts(expected, picked, codes),
        macro_f1_of,
        limits=(0.0, 1.0),
        items=len(items),
        seed=seed,
    )


def clusters_of(items: Sequence[ItemRecord]) -> list[str]:
    """Return the cluster of each record: where all share one, the item itself.

    What is found within one cluster holds for other items of that cluster; draws by several seeds
    of one item still belong together.
    """
    clusters = [item.cluster for item in items]
    return clusters if len(set(clusters)) > 1 else [item.id for item in items]


def positions(items: Sequence[ItemRecord]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (right, picked) choice positions of items as arrays of shape [items]."""
    return (
        np.array([item.expected_position for item in items], dtype=np.intp),
        np.array([item.answer_position for item in items], dtype=np.intp),
    )


def slices_of(
    items: Sequence[ItemRecord], fields: Sequence[str]
) -> list[tuple[str, str, list[ItemRecord]]]:
    """Return (field, value, items with that value) for the given fields and the prompt's length.

    Values stand in alphabetical order, lengths from short to long. The length is left out where
    all prompts are of about one length, or the suite has a field of that name.
    """
    found = []
    for field in fields:
        values = sorted({item.slices[field] for item in items})
        found += [(field, v, [item for item in items if item.slices[field] == v]) for v in values]
    if PROMPT_LENGTH not in fields:
        lengths = {name: [i for i in items if length_name(i) == name] for name in _LENGTH_ORDER}
        present = [(PROMPT_LENGTH, name, part) for name, part in lengths.items() if part]
        found += present if len(present) > 1 else []
    return found


def length_name(item: ItemRecord) -> str:
    """Return the range that an item's prompt length lies in."""
    return next((name for end, name in _LENGTHS if item.prompt_tokens < end), _LONGEST)


def seed_spreads(suite: SuiteSettings, items: Sequence[ItemRecord]) -> dict[Place, Spread]:
    """Return how far the seeds of drawn answers lie apart, by suite, task and metric.

    Args:
        suite: The suite.
        items: Its item records; tasks whose answers are not drawn are left out.

    Raises:
        InvalidInputError: The seeds were not asked the same items.
    """
    spreads: dict[Place, Spread] = {}
    for task in suite.tasks:
        drawn: dict[int, list[ItemRecord]] = {}
        for item in sorted(items, key=lambda item: item.id):
            if item.task == task.name and item.seed is not None:
                drawn.setdefault(item.seed, []).append(item)
        for metric in metric_names(task) if len(drawn) > 1 else ():
            values = [[item.values[metric] for item in asked] for asked in drawn.values()]
            means = [float(np.mean(row)) for row in values]
            spreads[suite.name, task.name, metric] = measure_spread(means, items=values)
    return spreads
