"""From item records to metrics with intervals."""

from collections.abc import Sequence

import numpy as np

from civicbench.evaluation.judges.record import LABELS
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import (
    EXPOSURE,
    LEAD,
    Better,
    Estimate,
    MetricResult,
    Place,
    SliceEstimate,
)
from civicbench.evaluation.settings import (
    ChoiceTask,
    GenerationTask,
    JudgedTask,
    RatingTask,
    SuiteSettings,
    Task,
    WrittenTask,
)
from civicbench.evaluation.statistics.means import mean_estimate
from civicbench.evaluation.statistics.rates import is_binary, rate_estimate
from civicbench.evaluation.statistics.spread import Spread, measure_spread
from civicbench.evaluation.twins.records import twin_metrics, twin_records
from civicbench.evaluation.wholes import find_whole, whole_names

ACCURACY = "accuracy"
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
    if isinstance(task, GenerationTask):
        return (ACCURACY, "well formed", *(f"{line} right" for line in task.fields))
    if isinstance(task, JudgedTask):
        return (ACCURACY, *LABELS)
    if isinstance(task, ChoiceTask):
        names = (EXPOSURE, ACCURACY) if task.exposure else (ACCURACY,)
        return (*names, LEAD) if task.lead else names
    return (ACCURACY,)


def all_metric_names(task: Task) -> tuple[str, ...]:
    """Return all metrics of a task."""
    return (*metric_names(task), *whole_names(task))


def suite_metrics(
    suite: SuiteSettings, items: Sequence[ItemRecord], *, seed: int
) -> tuple[MetricResult, ...]:
    """Return every metric of every task of a suite, with intervals and slices.

    Args:
        suite: The suite.
        items: Its item records.
        seed: Seed of bootstrap draws.
    """
    results = [
        _measure(suite, task, [item for item in items if item.task == task.name], name, seed=seed)
        for task in suite.tasks
        for name in all_metric_names(task)
    ]
    return (*results, *_twin_results(suite, items, seed=seed))


def _measure(
    suite: SuiteSettings, task: Task, asked: Sequence[ItemRecord], metric: str, *, seed: int
) -> MetricResult:
    whole = find_whole(metric)
    slices: list[SliceEstimate] = []
    if whole is None or whole.sliced:
        slices = [
            SliceEstimate(
                field=field, value=value, estimate=metric_estimate(part, metric, seed=seed)
            )
            for field, value, part in slices_of(asked, suite.slices)
        ]
    return MetricResult(
        task=task.name,
        title=task.title,
        metric=metric,
        better=_way(task, metric) if whole is None else whole.better,
        headline=task.headline and (_is_first(task, metric) if whole is None else whole.headline),
        estimate=metric_estimate(asked, metric, seed=seed),
        slices=tuple(slices),
    )


def _way(task: Task, metric: str) -> Better:
    if isinstance(task, JudgedTask) and metric not in (ACCURACY, task.right):
        return "lower"
    return task.better if isinstance(task, ChoiceTask | WrittenTask) else "higher"


def _is_first(task: Task, metric: str) -> bool:
    # A rating is measured by its correlation with people: to pick their nearest one is beside it.
    return metric == metric_names(task)[0] and not isinstance(task, RatingTask)


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
    """Return a metric with its interval: of all items together, or the mean of the items' values.

    Args:
        items: The item records, at least one.
        metric: The metric.
        seed: Seed of bootstrap draws.
    """
    clusters = clusters_of(items)
    whole = find_whole(metric)
    if whole is not None:
        return whole.estimate(items, clusters=clusters, seed=seed)
    values = [item.values[metric] for item in items]
    if is_binary(values):
        return rate_estimate(values, clusters=clusters)
    return mean_estimate(values, clusters=clusters, seed=seed)


def clusters_of(items: Sequence[ItemRecord]) -> list[str]:
    """Return the cluster of each record: where all share one, the item itself.

    What is found within one cluster holds for other items of that cluster; draws by several seeds
    of one item still belong together.
    """
    clusters = [item.cluster for item in items]
    return clusters if len(set(clusters)) > 1 else [item.id for item in items]


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
