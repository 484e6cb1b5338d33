"""Gates (`configs/gates/*.yaml`): what a version must show before it can be released."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from civicbench.core.settings import Settings
from civicbench.evaluation.results import Comparison, Estimate

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


class Gate(Settings):
    """A set of rules, all of which must hold."""

    name: str
    """The gate's name."""
    title: str
    """Its name for people."""
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


class GateVerdict(BaseModel):
    """What a gate found on one version."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    gate: str
    """The gate's name."""
    title: str
    """Its name for people."""
    digest: str
    """Digest of the gate's settings."""
    rules: tuple[RuleVerdict, ...]
    """Rule by rule."""

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(rule.passed for rule in self.rules)


def judge(gate: Gate, comparisons: Sequence[Comparison], *, digest: str) -> GateVerdict:
    """Judge a version's comparisons by a gate.

    Args:
        gate: The rules.
        comparisons: Every metric of the version against its base.
        digest: Digest of the gate's settings.

    Returns:
        A verdict per rule. A metric that was not measured fails its rule.
    """
    by_place = {(c.suite, c.task, c.metric): c for c in comparisons}
    verdicts = []
    for rule in gate.rules:
        comparison = by_place.get((rule.suite, rule.task, rule.metric))
        measured = None
        if comparison is not None:
            measured = comparison.tuned if rule.of == "tuned" else comparison.difference
        verdicts.append(
            RuleVerdict(
                rule=rule,
                measured=measured,
                base=comparison.base if comparison else None,
                passed=measured is not None and _holds(rule, measured),
            )
        )
    return GateVerdict(gate=gate.name, title=gate.title, digest=digest, rules=tuple(verdicts))


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
