"""Comparing two models on the same items of a suite."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from civicbench.core.errors import IntegrityError
from civicbench.evaluation.metrics import (
    ACCURACY,
    PROMPT_LENGTH,
    clusters_of,
    metric_estimate,
    slices_of,
)
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import (
    IDEALS,
    Better,
    Comparison,
    Estimate,
    Flip,
    MetricResult,
    SliceComparison,
    SuiteResult,
)
from civicbench.evaluation.statistics.clusters import cluster_codes
from civicbench.evaluation.statistics.families import judge_difference
from civicbench.evaluation.statistics.measures import (
    mean_of,
    nearness_of,
    nearness_to_half,
    nearness_to_zero,
)
from civicbench.evaluation.statistics.pairs import (
    Contrast,
    contrast_means,
    estimate_contrast,
    mcnemar_exact,
    mean_difference,
    size_of,
)
from civicbench.evaluation.statistics.power import minimum_detectable
from civicbench.evaluation.statistics.randomisation import sign_flip, swap_test
from civicbench.evaluation.statistics.rates import is_binary
from civicbench.evaluation.twins.records import twin_records
from civicbench.evaluation.wholes import Whole, find_whole

_FLIPS_KEPT = 10
_STATISTICS = {"half": nearness_to_half, "zero": nearness_to_zero}

Pair = tuple[ItemRecord, ItemRecord]


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
    second = {(item.task, item.id, item.seed): item for item in tuned_items}
    if {(item.task, item.id, item.seed) for item in base_items} != second.keys():
        raise IntegrityError("the two results do not hold the same items", where=base.suite)
    pairs = [(item, second[item.task, item.id, item.seed]) for item in base_items]
    joined = (twin_records(base.twins, base_items), twin_records(base.twins, tuned_items))
    pairs += zip(*joined, strict=True)
    metrics = {(m.task, m.metric): m for m in tuned.metrics}
    fields = _slice_fields(base)
    return tuple(
        _compare(
            base,
            metric,
            metrics[metric.task, metric.metric],
            [pair for pair in pairs if pair[0].task == metric.task],
            fields=fields,
        )
        for metric in base.metrics
    )


def suspects(comparisons: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """Return (suite, task) of the tasks that both models answered alike on every item.

    The same answers with the same log-likelihoods: the adapter may not be on, or one model was
    scored twice. Equal answers with unequal log-likelihoods are no reason for suspicion.
    """
    alike = {
        (c.suite, c.task): None for c in comparisons if c.identical_items == c.difference.items
    }
    return tuple(alike)


def _slice_fields(result: SuiteResult) -> tuple[str, ...]:
    fields = (s.field for metric in result.metrics for s in metric.slices)
    return tuple(field for field in dict.fromkeys(fields) if field != PROMPT_LENGTH)


def _measured(result: SuiteResult) -> set[tuple[str, ...]]:
    """Return what a result measures: task, metric, direction and slices.

    How long a prompt is depends on the tokenizer, and is no part of it.
    """
    return {
        (
            m.task,
            m.metric,
            m.better,
            *(f"{s.field}={s.value}" for s in m.slices if s.field != PROMPT_LENGTH),
        )
        for m in result.metrics
    }


def _compare(
    result: SuiteResult,
    base: MetricResult,
    tuned: MetricResult,
    pairs: Sequence[Pair],
    *,
    fields: Sequence[str],
) -> Comparison:
    p_value: float | None = None
    gained = lost = 0
    flips: tuple[Flip, ...] = ()
    slices: tuple[SliceComparison, ...] = ()
    difference = _difference(pairs, base.metric, base.better, seed=result.seed)
    contrast = _contrast(pairs, base.metric, base.better)
    p_cluster = _swap(contrast, seed=result.seed)
    whole = find_whole(base.metric)
    if whole is None:
        before, after = _values(pairs, base.metric)
        gained = sum(b > a for a, b in zip(before, after, strict=True))
        lost = sum(b < a for a, b in zip(before, after, strict=True))
        drawn = any(first.seed is not None for first, _ in pairs)
        if is_binary(before) and is_binary(after) and not drawn:
            p_value = mcnemar_exact(before, after)
        if base.metric == ACCURACY:
            flips = _flips(pairs)
    if whole is None or whole.sliced:
        slices = _compare_slices(pairs, base, fields=fields, seed=result.seed)
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
        p_cluster=p_cluster,
        minimum_detectable=minimum_detectable(contrast),
        gained=gained,
        lost=lost,
        identical_items=sum(
            (a.answer, a.log_likelihoods) == (b.answer, b.log_likelihoods) for a, b in pairs
        ),
        verdict=judge_difference(difference, better=base.better, p_value=p_cluster, margin=None),
        slices=slices,
        flips=flips,
    )


def _compare_slices(
    pairs: Sequence[Pair], metric: MetricResult, *, fields: Sequence[str], seed: int
) -> tuple[SliceComparison, ...]:
    """Return both models by slice; an item's slice is the first model's."""
    second = {(first.id, first.seed): other for first, other in pairs}
    found = []
    for field, value, part in slices_of([first for first, _ in pairs], fields):
        others = [second[item.id, item.seed] for item in part]
        both = list(zip(part, others, strict=True))
        found.append(
            SliceComparison(
                field=field,
                value=value,
                base=metric_estimate(part, metric.metric, seed=seed),
                tuned=metric_estimate(others, metric.metric, seed=seed),
                difference=_difference(both, metric.metric, metric.better, seed=seed),
            )
        )
    return tuple(found)


def _values(pairs: Sequence[Pair], metric: str) -> tuple[list[float], list[float]]:
    return (
        [first.values[metric] for first, _ in pairs],
        [second.values[metric] for _, second in pairs],
    )


def _codes(pairs: Sequence[Pair]) -> NDArray[np.intp]:
    return cluster_codes(clusters_of([first for first, _ in pairs]))


def _contrast(pairs: Sequence[Pair], metric: str, better: Better) -> Contrast:
    whole = find_whole(metric)
    if whole is not None:
        return _whole_contrast(whole, pairs)
    first, second = _values(pairs, metric)
    statistic = _STATISTICS.get(better, mean_of)
    return contrast_means(first, second, codes=_codes(pairs), statistic=statistic)


def _whole_contrast(whole: Whole, pairs: Sequence[Pair]) -> Contrast:
    codes = _codes(pairs)
    before, after = (np.array(values) for values in _values(pairs, ACCURACY))
    zero = whole.better == "zero"
    low, high = whole.limits
    return Contrast(
        first=whole.counts([first for first, _ in pairs], codes),
        second=whole.counts([second for _, second in pairs], codes),
        statistic=nearness_of(whole.statistic) if zero else whole.statistic,
        reach=max(abs(low), abs(high)) if zero else high - low,
        items=len(pairs),
        size=size_of(before, after, codes=codes),
    )


def _difference(pairs: Sequence[Pair], metric: str, better: Better, *, seed: int) -> Estimate:
    if find_whole(metric) is not None or better in IDEALS:
        return estimate_contrast(_contrast(pairs, metric, better), seed=seed)
    before, after = _values(pairs, metric)
    return mean_difference(before, after, codes=_codes(pairs), seed=seed)


def _swap(contrast: Contrast, *, seed: int) -> float:
    """Return the p-value by swapping the models within clusters: of a mean, by flipping signs."""
    if contrast.statistic is mean_of:
        return sign_flip(contrast.second[:, 0] - contrast.first[:, 0], seed=seed)
    return swap_test(contrast, seed=seed)


def _flips(pairs: Sequence[Pair]) -> tuple[Flip, ...]:
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
