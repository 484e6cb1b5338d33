"""From item records to metrics with intervals."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import Estimate, MetricResult, SliceEstimate
from civicbench.evaluation.settings import ChoiceTask, SuiteSettings, Task
from civicbench.evaluation.statistics.rates import bootstrap, macro_f1, wilson

ACCURACY = "accuracy"
MACRO_F1 = "macro-F1"
MACRO_RESAMPLES = 2_000


def metric_names(task: Task) -> tuple[str, ...]:
    """Return the metrics of a task that have a value an item; the first is its headline."""
    if isinstance(task, ChoiceTask):
        return (ACCURACY,)
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
        better = task.better if isinstance(task, ChoiceTask) else "higher"
        for position, metric in enumerate(metric_names(task)):
            results.append(
                MetricResult(
                    task=task.name,
                    title=task.title,
                    metric=metric,
                    better=better,
                    headline=task.headline and position == 0,
                    estimate=wilson([item.values[metric] for item in asked]),
                    slices=_slices(asked, metric, suite.slices),
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
    return tuple(results)


def macro_f1_estimate(items: Sequence[ItemRecord], *, seed: int) -> Estimate:
    """Return macro-F1 of picked against right choices, with its clustered bootstrap interval."""
    expected, picked = positions(items)
    low, high = bootstrap(
        lambda drawn: macro_f1(expected[drawn], picked[drawn]),
        clusters=[item.cluster for item in items],
        seed=seed,
        resamples=MACRO_RESAMPLES,
    )
    value = macro_f1(expected, picked)
    # A resample repeats items and can only lose classes, so its quantiles may lie to one side.
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        items=len(items),
        method="bootstrap over clusters",
    )


def positions(items: Sequence[ItemRecord]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (right, picked) choice positions of items as arrays of shape [items]."""
    return (
        np.array([item.expected_position for item in items], dtype=np.intp),
        np.array([item.answer_position for item in items], dtype=np.intp),
    )


def _slices(
    items: Sequence[ItemRecord], metric: str, fields: Sequence[str]
) -> tuple[SliceEstimate, ...]:
    found = []
    for field in fields:
        by_value: dict[str, list[float]] = defaultdict(list)
        for item in items:
            by_value[item.slices[field]].append(item.values[metric])
        found += [
            SliceEstimate(field=field, value=value, estimate=wilson(by_value[value]))
            for value in sorted(by_value)
        ]
    return tuple(found)
