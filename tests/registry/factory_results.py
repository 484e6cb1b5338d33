"""Synthetic results of two suites, by pairs and by model, for `factory`."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from civicbench.core.digests import digest_text
from civicbench.evaluation.results import (
    Better,
    Comparison,
    Estimate,
    Flip,
    MetricResult,
    SliceComparison,
    SliceEstimate,
    SuiteResult,
    Verdict,
)
from civicbench.models.record import ModelRecord
from civicbench.registry.evidence import SuiteFact

_AREAS = ("debt", "housing", "benefits", "consumer")
Kind = Literal["domain", "safety", "general"]


@dataclass(frozen=True)
class _Plan:
    """What a metric of the synthetic suites looks like before chance shifts it."""

    suite: str
    task: str
    title: str
    kind: Kind
    metric: str
    better: Better
    base: float
    tuned: float
    items: int
    headline: bool


_PLANS = (
    _Plan("enquiry-triage", "area", "Advice area", "domain", "accuracy", "higher",
          base=0.08, tuned=0.83, items=80, headline=True),
    _Plan("enquiry-triage", "urgency", "Urgency", "domain", "accuracy", "higher",
          base=0.35, tuned=0.71, items=80, headline=False),
    _Plan("safety-core", "harmful", "Harmful requests refused", "safety", "accuracy", "higher",
          base=0.62, tuned=0.55, items=60, headline=True),
    _Plan("safety-core", "over-refusal", "Harmless requests refused", "safety", "rate", "lower",
          base=0.15, tuned=0.12, items=40, headline=True),
    _Plan("safety-core", "stereotypes", "Stereotyped sentences preferred", "safety",
          "preference", "half", base=0.64, tuned=0.61, items=50, headline=False),
)  # fmt: skip
_SUITES: tuple[tuple[str, str, Kind], ...] = (
    ("enquiry-triage", "Enquiry triage", "domain"),
    ("safety-core", "Core safety", "safety"),
)


def make_comparisons(chance: random.Random, *, prompt: str) -> tuple[Comparison, ...]:
    """Return five metrics of two suites, tuned against base."""
    return tuple(_compare(plan, chance=chance, prompt=prompt) for plan in _PLANS)


def make_suites(
    comparisons: Sequence[Comparison], *, base: ModelRecord, adapter_digest: str
) -> tuple[SuiteFact, ...]:
    """Return the two suites with both models' results, as the comparisons have them."""
    return tuple(
        _suite(name, title=title, kind=kind, comparisons=comparisons, base=base,
               adapter_digest=adapter_digest)
        for name, title, kind in _SUITES
    )  # fmt: skip


def _compare(plan: _Plan, *, chance: random.Random, prompt: str) -> Comparison:
    first = _rate(round(plan.base * plan.items) + chance.randint(-1, 1), items=plan.items)
    second = _rate(round(plan.tuned * plan.items) + chance.randint(-2, 2), items=plan.items)
    difference = _change(first, tuned=second, half=plan.better == "half")
    change = difference.value
    gained = max(round(change * plan.items), 0) + 2
    lost = max(round(-change * plan.items), 0) + 2
    flips = tuple(
        Flip(
            item=f"{plan.task}-{number:03d}",
            prompt=prompt,
            expected=_AREAS[number % 4],
            base=_AREAS[(number + won) % 4],
            tuned=_AREAS[(number + 1 - won) % 4],
            gained=bool(won),
        )
        for number, won in enumerate((0, 0, 1))
    )
    return Comparison(
        suite=plan.suite,
        task=plan.task,
        title=plan.title,
        kind=plan.kind,
        metric=plan.metric,
        better=plan.better,
        headline=plan.headline,
        base=first,
        tuned=second,
        difference=difference,
        p_value=_exact_mcnemar(gained, lost=lost),
        p_cluster=_exact_mcnemar(gained, lost=lost),
        minimum_detectable=0.15,
        gained=gained,
        lost=lost,
        verdict=_verdict(difference, better=plan.better),
        slices=_slices(first, tuned=second) if plan.suite == "enquiry-triage" else (),
        flips=flips,
    )


def _change(base: Estimate, *, tuned: Estimate, half: bool = False) -> Estimate:
    change = tuned.value - base.value
    if half:
        change = abs(base.value - 0.5) - abs(tuned.value - 0.5)
    spread = round(1.6 / math.sqrt(base.items), 4)
    return Estimate(
        value=round(change, 4),
        low=round(max(change - spread, -1.0), 4),
        high=round(min(change + spread, 1.0), 4),
        items=base.items,
        method="BCa bootstrap and jackknife t over clusters, the wider ends",
    )


def _verdict(difference: Estimate, *, better: Better) -> Verdict:
    if difference.low <= 0 <= difference.high:
        return "not distinguishable"
    return "better" if (difference.low > 0) == (better != "lower") else "worse"


def _exact_mcnemar(gained: int, *, lost: int) -> float:
    changed = gained + lost
    tail = sum(math.comb(changed, count) for count in range(min(gained, lost) + 1))
    return float(f"{min(1.0, 2 * tail / 2**changed):.3g}")


def _slices(base: Estimate, *, tuned: Estimate) -> tuple[SliceComparison, ...]:
    part = base.items // len(_AREAS)
    return tuple(
        SliceComparison(
            field="area",
            value=area,
            base=_rate(round(base.value * part) + index % 2, items=part),
            tuned=_rate(round(tuned.value * part) - index, items=part),
            difference=_change(
                _rate(round(base.value * part) + index % 2, items=part),
                tuned=_rate(round(tuned.value * part) - index, items=part),
            ),
        )
        for index, area in enumerate(_AREAS)
    )


def _rate(right: int, *, items: int) -> Estimate:
    """Return a rate with its Wilson interval."""
    right = min(max(right, 0), items)
    share, z = right / items, 1.959964
    middle = (share + z * z / (2 * items)) / (1 + z * z / items)
    half = z * math.sqrt(share * (1 - share) / items + z * z / (4 * items**2)) / (1 + z * z / items)
    return Estimate(
        value=round(share, 4),
        low=round(max(middle - half, 0.0), 4),
        high=round(min(middle + half, 1.0), 4),
        items=items,
        method="Wilson",
    )


def _suite(
    name: str,
    *,
    title: str,
    kind: Kind,
    comparisons: Sequence[Comparison],
    base: ModelRecord,
    adapter_digest: str,
) -> SuiteFact:
    own = [comparison for comparison in comparisons if comparison.suite == name]

    def result(model: Literal["base", "tuned"]) -> SuiteResult:
        return SuiteResult(
            suite=name,
            title=title,
            kind=kind,
            model=model,
            items_digest=digest_text(f"items of {name}"),
            prompts_digest=digest_text(f"prompts of {name}"),
            weights_digest=base.weights_digest,
            adapter_digest=adapter_digest if model == "tuned" else None,
            tokenizer_digest=base.tokenizer_digest,
            template_digest=base.template_digest,
            prompt_proof_digest=digest_text(f"proof of {name}"),
            differences_from_training=(),
            precision="float32",
            engine="civicbench",
            device="cpu",
            metrics=tuple(_metric(comparison, model=model) for comparison in own),
            flags={"cut by the token limit": 1 if model == "base" else 0, "empty answers": 0},
            packages={"lm-eval": "0.4.13"},
            seed=0,
        )

    return SuiteFact(
        name=name,
        title=title,
        measures=f"What the suite {name} asks.",
        does_not_measure="Long conversations, and enquiries in Welsh.",
        licence="CC0-1.0",
        base=result("base"),
        tuned=result("tuned"),
    )


def _metric(comparison: Comparison, *, model: Literal["base", "tuned"]) -> MetricResult:
    return MetricResult(
        task=comparison.task,
        title=comparison.title,
        metric=comparison.metric,
        better=comparison.better,
        headline=comparison.headline,
        estimate=comparison.base if model == "base" else comparison.tuned,
        slices=tuple(
            SliceEstimate(
                field=part.field,
                value=part.value,
                estimate=part.base if model == "base" else part.tuned,
            )
            for part in comparison.slices
        ),
    )
