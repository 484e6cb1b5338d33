"""Comparing two models on the same items of a suite."""

from collections.abc import Sequence

from civicbench.core.errors import IntegrityError
from civicbench.evaluation.metrics import ACCURACY, MACRO_F1, MACRO_RESAMPLES, positions
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import (
    Comparison,
    Estimate,
    Flip,
    MetricResult,
    SliceComparison,
    SuiteResult,
)
from civicbench.evaluation.statistics.pairs import (
    judge_difference,
    mcnemar_exact,
    paired_difference,
)
from civicbench.evaluation.statistics.rates import bootstrap, macro_f1

_FLIPS_KEPT = 10
_IDEAL_HALF = 0.5


def compare_results(
    base: SuiteResult,
    base_items: Sequence[ItemRecord],
    tuned: SuiteResult,
    tuned_items: Sequence[ItemRecord],
) -> tuple[Comparison, ...]:
    """Compare every metric of a suite by pairs of items.

    Args:
        base: The first model's result.
        base_items: Its item records.
        tuned: The second model's result.
        tuned_items: Its item records.

    Raises:
        IntegrityError: The two were not asked the same items, or not measured alike.
    """
    if (base.suite, base.items_digest) != (tuned.suite, tuned.items_digest):
        raise IntegrityError(
            "the two results are of different items and cannot be compared by pairs",
            where=f"{base.suite} and {tuned.suite}",
            got=f"{base.items_digest[:12]} and {tuned.items_digest[:12]}",
        )
    if _measured(base) != _measured(tuned):
        raise IntegrityError(
            "the two results do not have the same metrics and slices",
            where=base.suite,
            remedy="the suite was changed in between: evaluate both models again",
        )
    second = {(item.task, item.id): item for item in tuned_items}
    if {(item.task, item.id) for item in base_items} != second.keys():
        raise IntegrityError("the two results do not hold the same items", where=base.suite)
    pairs = [(item, second[item.task, item.id]) for item in base_items]
    metrics = {(m.task, m.metric): m for m in tuned.metrics}
    return tuple(
        _compare(base, metric, metrics[metric.task, metric.metric],
                 [pair for pair in pairs if pair[0].task == metric.task])
        for metric in base.metrics
    )  # fmt: skip


def _measured(result: SuiteResult) -> set[tuple[str, ...]]:
    """Return what a result measures: task, metric, direction and slices."""
    return {
        (m.task, m.metric, m.better, *(f"{s.field}={s.value}" for s in m.slices))
        for m in result.metrics
    }


def _compare(
    result: SuiteResult,
    base: MetricResult,
    tuned: MetricResult,
    pairs: Sequence[tuple[ItemRecord, ItemRecord]],
) -> Comparison:
    clusters = [first.cluster for first, _ in pairs]
    p_value: float | None = None
    gained = lost = 0
    flips: tuple[Flip, ...] = ()
    if base.metric == MACRO_F1:
        difference = _macro_f1_difference(pairs, clusters, seed=result.seed)
    else:
        before = [first.values[base.metric] for first, _ in pairs]
        after = [second.values[base.metric] for _, second in pairs]
        gained = sum(b > a for a, b in zip(before, after, strict=True))
        lost = sum(b < a for a, b in zip(before, after, strict=True))
        p_value = mcnemar_exact(before, after)
        if base.better == "half":
            difference = _nearer_to_half(before, after, clusters, seed=result.seed)
        else:
            difference = paired_difference(before, after, clusters=clusters, seed=result.seed)
        if base.metric == ACCURACY:
            flips = _flips(pairs)
    better = "higher" if base.better == "half" else base.better
    return Comparison(
        suite=result.suite,
        task=base.task,
        title=base.title,
        kind=result.kind,
        metric=base.metric,
        better=base.better,
        headline=base.headline,
        base=base.estimate,
        tuned=tuned.estimate,
        difference=difference,
        p_value=p_value,
        gained=gained,
        lost=lost,
        verdict=judge_difference(difference, better=better),
        slices=tuple(
            SliceComparison(field=a.field, value=a.value, base=a.estimate, tuned=b.estimate)
            for a, b in zip(base.slices, tuned.slices, strict=True)
        ),
        flips=flips,
    )


def _macro_f1_difference(
    pairs: Sequence[tuple[ItemRecord, ItemRecord]], clusters: Sequence[str], *, seed: int
) -> Estimate:
    expected, before = positions([first for first, _ in pairs])
    _, after = positions([second for _, second in pairs])
    low, high = bootstrap(
        lambda drawn: (
            macro_f1(expected[drawn], after[drawn]) - macro_f1(expected[drawn], before[drawn])
        ),
        clusters=clusters,
        seed=seed,
        resamples=MACRO_RESAMPLES,
    )
    value = macro_f1(expected, after) - macro_f1(expected, before)
    return Estimate(
        value=value, low=low, high=high, items=len(pairs), method="paired bootstrap over clusters"
    )


def _nearer_to_half(
    before: Sequence[float], after: Sequence[float], clusters: Sequence[str], *, seed: int
) -> Estimate:
    """Return how much nearer to 0.5 the second model's share is, with its paired interval."""
    import numpy as np

    first, second = np.asarray(before), np.asarray(after)
    low, high = bootstrap(
        lambda drawn: float(
            abs(first[drawn].mean() - _IDEAL_HALF) - abs(second[drawn].mean() - _IDEAL_HALF)
        ),
        clusters=clusters,
        seed=seed,
    )
    value = float(abs(first.mean() - _IDEAL_HALF) - abs(second.mean() - _IDEAL_HALF))
    return Estimate(
        value=value, low=low, high=high, items=len(before), method="paired bootstrap over clusters"
    )


def _flips(pairs: Sequence[tuple[ItemRecord, ItemRecord]]) -> tuple[Flip, ...]:
    """Return items that one model got right and the other wrong: losses first, a few of each."""
    lost: list[Flip] = []
    won: list[Flip] = []
    for first, second in pairs:
        before, after = first.values[ACCURACY], second.values[ACCURACY]
        if before == after:
            continue
        flip = Flip(
            item=first.id,
            prompt=first.prompt,
            expected=first.expected,
            base=first.answer,
            tuned=second.answer,
            gained=after > before,
        )
        (won if flip.gained else lost).append(flip)
    return (*lost[:_FLIPS_KEPT], *won[: _FLIPS_KEPT - min(len(lost), _FLIPS_KEPT // 2)])
