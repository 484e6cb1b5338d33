"""Gates (`configs/gates/*.yaml`): what a version must show before it can be released."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from civicbench.core.settings import Settings
from civicbench.evaluation.results import Comparison, Estimate, Place

Judged = Literal["estimate", "interval low", "interval high"]


class Rule(Settings):
    """One condition on one metric, absolute or against the base."""

    name: str
    """The rule's name."""
    reason: str
    """Why it is asked, in a sentence that a reviewer reads."""
    suite: str
    """The suite whose metric is judged."""
    task: str
    """The task within the suite."""
    metric: str = "accuracy"
    """The metric within the task."""
    of: Literal["tuned", "difference"]
    """What is judged: the tuned model's own value, or its difference from the base."""
    judged_by: Judged
    """Which number must meet the threshold: the estimate or an end of its 95 % interval."""
    at_least: float | None = None
    """The number must not be below this."""
    at_most: float | None = None
    """The number must not be above this."""

    @model_validator(mode="after")
    def _one_threshold(self) -> "Rule":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self

    @property
    def threshold(self) -> float:
        """The number that is asked for, whichever way."""
        threshold = self.at_least if self.at_least is not None else self.at_most
        assert threshold is not None  # noqa: S101 (the validator saw to it)
        return threshold


class Gate(Settings):
    """A set of rules, all of which must hold."""

    name: str
    """The gate's name."""
    title: str
    """Its name for people."""
    # Gates that ask for one person keep the digests that they had before this could be asked.
    reviewers: Annotated[int, Field(ge=1, le=5, exclude_if=lambda count: count == 1)] = 1
    """How many people have to approve a version."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    """The rules."""


class RuleVerdict(BaseModel):
    """What one rule found."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rule: Rule
    """The rule as it was."""
    measured: Estimate | None
    """What was judged, with its interval; None where the metric was not measured."""
    base: Estimate | None
    """The base model's value, for reading beside."""
    passed: bool
    """Whether the rule holds; an unmeasured metric does not pass."""
    note: str = ""
    """What else a reader must know of it: why a number that meets the rule does not pass."""


class GateVerdict(BaseModel):
    """What a gate found on one version."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    gate: str
    """The gate's name."""
    title: str
    """Its name for people."""
    digest: str
    """Digest of the gate's settings."""
    reviewers: int = Field(default=1, exclude_if=lambda count: count == 1)
    """How many people have to approve the version; not written where one has to."""
    rules: tuple[RuleVerdict, ...]
    """Rule by rule."""

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(rule.passed for rule in self.rules)


def margins(gate: Gate) -> dict[Place, float]:
    """Return the losses that a gate tolerates, declared before measuring, by place.

    A rule that the lower end of a difference's interval must not fall below a loss claims
    non-inferiority by that margin; so does, where lower is better, a rule that the upper end must
    not rise above an excess. Of several for one metric, the strictest counts.
    """
    found: dict[Place, float] = {}
    for rule in gate.rules:
        if rule.of != "difference":
            continue
        margin = 0.0
        if rule.judged_by == "interval low" and rule.at_least is not None:
            margin = -rule.at_least
        if rule.judged_by == "interval high" and rule.at_most is not None:
            margin = rule.at_most
        if margin > 0:
            place = (rule.suite, rule.task, rule.metric)
            found[place] = min(margin, found.get(place, margin))
    return found


def judge(
    gate: Gate,
    comparisons: Sequence[Comparison],
    *,
    digest: str,
    noise: Mapping[Place, float] | None = None,
) -> GateVerdict:
    """Judge a version's comparisons by a gate.

    Args:
        gate: The rules.
        comparisons: Every metric of the version against its base.
        digest: Digest of the gate's settings.
        noise: How far repeats of the same evaluation lie apart, by suite, task and metric; None
            where it was not measured.

    Returns:
        A verdict per rule. A metric that was not measured fails its rule, and so does a rule on a
        difference that is tighter than the noise.
    """
    by_place = {(c.suite, c.task, c.metric): c for c in comparisons}
    verdicts = []
    for rule in gate.rules:
        place = (rule.suite, rule.task, rule.metric)
        comparison = by_place.get(place)
        measured = None
        if comparison is not None:
            measured = comparison.tuned if rule.of == "tuned" else comparison.difference
        note = _note(rule, noise=(noise or {}).get(place))
        verdicts.append(
            RuleVerdict(
                rule=rule,
                measured=measured,
                base=comparison.base if comparison else None,
                passed=measured is not None and not note and _holds(rule, measured),
                note=note,
            )
        )
    return GateVerdict(
        gate=gate.name,
        title=gate.title,
        digest=digest,
        reviewers=gate.reviewers,
        rules=tuple(verdicts),
    )


def _note(rule: Rule, *, noise: float | None) -> str:
    """Say why a rule cannot be judged; empty where it can."""
    if rule.of != "difference" or not noise:
        return ""
    threshold = abs(rule.threshold)
    if threshold >= noise:
        return ""
    return (
        f"The rule asks for {threshold:.4g}, but repeats of the same evaluation differ by up to "
        f"{noise:.4g}: it is tighter than the noise and cannot be met."
    )


def _holds(rule: Rule, measured: Estimate) -> bool:
    number = {
        "estimate": measured.value,
        "interval low": measured.low,
        "interval high": measured.high,
    }[rule.judged_by]
    # Exactly one of the two is set: the rule's validator saw to it.
    above = rule.at_least is None or number >= rule.at_least
    below = rule.at_most is None or number <= rule.at_most
    return above and below
