"""Gates (`configs/gates/*.yaml`): what a version must show before it can be released."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from civicbench.core.settings import Settings
from civicbench.evaluation.results import Comparison, Estimate, Place
from civicbench.registry.rules.changes import DomainGain, OverRefusal, SafetyChange
from civicbench.registry.rules.data import (
    CanaryExposure,
    Contamination,
    DataLicences,
    PersonalData,
)
from civicbench.registry.rules.facts import Facts
from civicbench.registry.rules.licence import LicenceDuties
from civicbench.registry.rules.measured import Judged, Rule
from civicbench.registry.rules.outcomes import Check, Outcome, together
from civicbench.registry.rules.records import (
    AtrsComplete,
    CardComplete,
    JudgeAgreement,
    Reproducible,
)

__all__ = [
    "AnyRule",
    "CheckedRule",
    "Gate",
    "GateVerdict",
    "Judged",
    "Rule",
    "RuleVerdict",
    "Standing",
    "judge",
    "margins",
]

CheckedRule = (
    DomainGain
    | SafetyChange
    | OverRefusal
    | Contamination
    | PersonalData
    | CanaryExposure
    | LicenceDuties
    | DataLicences
    | CardComplete
    | AtrsComplete
    | Reproducible
    | JudgeAgreement
)
"""The kinds of rules that look at several things, each with an outcome of its own."""
Standing = Literal[
    "registered before training", "moved after results", "not registered before training"
]
"""What the log says of a gate: whether its rules were written down before anything was known."""


def _kind(value: Any) -> Any:
    """Return a rule's kind; rules that were written before there were kinds are measured ones."""
    if isinstance(value, dict):
        return value.get("kind", "measured")
    return getattr(value, "kind", None)


AnyRule = Annotated[
    Annotated[Rule, Tag("measured")]
    | Annotated[DomainGain, Tag("domain-gain")]
    | Annotated[SafetyChange, Tag("safety-change")]
    | Annotated[OverRefusal, Tag("over-refusal")]
    | Annotated[Contamination, Tag("contamination")]
    | Annotated[PersonalData, Tag("personal-data")]
    | Annotated[CanaryExposure, Tag("canary-exposure")]
    | Annotated[LicenceDuties, Tag("licence")]
    | Annotated[DataLicences, Tag("data-licences")]
    | Annotated[CardComplete, Tag("card-complete")]
    | Annotated[AtrsComplete, Tag("atrs-complete")]
    | Annotated[Reproducible, Tag("reproducible")]
    | Annotated[JudgeAgreement, Tag("judge-agreement")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message="there is no such kind of rule; docs/gates.md lists them",
    ),
]


class Gate(Settings):
    """A set of rules, all of which must hold."""

    name: str
    """The gate's name."""
    title: str
    """Its name for people."""
    # Gates that were written before it could be asked keep their digests.
    reviewers: Annotated[int, Field(ge=1, le=5)] = Field(default=1, exclude_if=lambda n: n == 1)
    """How many people have to approve a version; none of them may have made it."""
    rules: Annotated[tuple[AnyRule, ...], Field(min_length=1)]
    """The rules."""


class RuleVerdict(BaseModel):
    """What one rule found."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rule: AnyRule
    """The rule as it was."""
    measured: Estimate | None
    """What was judged, with its interval; None where the metric was not measured, and for rules
    that look at several things."""
    base: Estimate | None
    """The base model's value, for reading beside."""
    passed: bool
    """Whether the rule holds; an unmeasured metric does not pass."""
    note: str = ""
    """What else a reader must know of it: why a number that meets the rule does not pass."""
    checks: tuple[Check, ...] = Field(default=(), exclude_if=lambda checks: not checks)
    """What the rule looked at, thing by thing; empty for a measured rule."""

    @property
    def outcome(self) -> Outcome:
        """Met, not met, or why neither can be said."""
        if self.checks:
            return together(self.checks)
        if self.passed:
            return "met"
        return "could not tell" if self.measured is None or self.note else "not met"


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
    reviewers: int = Field(default=1, exclude_if=lambda number: number == 1)
    """How many people have to approve the version."""
    # Versions that were registered before gates were keep their digests.
    standing: Standing | None = Field(default=None, exclude_if=lambda standing: standing is None)
    """Whether the gate was written down before training; None where nobody kept that."""
    registered_digest: str | None = Field(default=None, exclude_if=lambda digest: digest is None)
    """Digest of the gate that was registered when training started, where it is another one."""

    @property
    def moved(self) -> bool:
        """Whether the gate was changed after there were results to see."""
        return self.standing == "moved after results"

    @property
    def passed(self) -> bool:
        """Whether every rule holds, and none of them was changed after there were results."""
        return not self.moved and all(rule.passed for rule in self.rules)

    @property
    def unmet(self) -> tuple[str, ...]:
        """What keeps the gate from being met, in words."""
        moved = ("moved after results",) if self.moved else ()
        return moved + tuple(rule.rule.name for rule in self.rules if not rule.passed)


def margins(gate: Gate, comparisons: Sequence[Comparison] = ()) -> dict[Place, float]:
    """Return the losses that a gate tolerates, declared before measuring, by place.

    A rule that the lower end of a difference's interval must not fall below a loss claims
    non-inferiority by that margin; so does, where lower is better, a rule that the upper end must
    not rise above an excess, and a rule on safety or over-refusal that names a margin. Of several
    for one metric, the strictest counts.

    Args:
        gate: The rules.
        comparisons: What was measured: rules on whole suites are about these.
    """
    found: dict[Place, float] = {}

    def declare(place: Place, margin: float) -> None:
        found[place] = min(margin, found.get(place, margin))

    for rule in gate.rules:
        if isinstance(rule, Rule | OverRefusal) and rule.margin:
            declare((rule.suite, rule.task, rule.metric), rule.margin)
        elif isinstance(rule, SafetyChange) and rule.margin:
            for comparison in rule.choose(comparisons):
                declare((comparison.suite, comparison.task, comparison.metric), rule.margin)
    return found


def judge(
    gate: Gate,
    comparisons: Sequence[Comparison],
    *,
    digest: str,
    noise: Mapping[Place, float] | None = None,
    facts: Facts | None = None,
) -> GateVerdict:
    """Judge a version by a gate.

    Args:
        gate: The rules.
        comparisons: Every metric of the version against its base.
        digest: Digest of the gate's settings.
        noise: How far repeats of the same evaluation lie apart, by suite, task and metric; None
            where it was not measured.
        facts: What else is known of the version; None where only results are.

    Returns:
        A verdict per rule. A metric that was not measured fails its rule, and so does a rule on a
        difference that is tighter than the noise, and one whose facts are not there.
    """
    by_place = {(c.suite, c.task, c.metric): c for c in comparisons}
    known = facts or Facts(comparisons=tuple(comparisons), noise=noise or {})
    return GateVerdict(
        gate=gate.name,
        title=gate.title,
        digest=digest,
        reviewers=gate.reviewers,
        rules=tuple(
            _measure(rule, by_place, noise=noise or {})
            if isinstance(rule, Rule)
            else _look(rule, known)
            for rule in gate.rules
        ),
    )


def _measure(
    rule: Rule, by_place: Mapping[Place, Comparison], *, noise: Mapping[Place, float]
) -> RuleVerdict:
    place = (rule.suite, rule.task, rule.metric)
    comparison = by_place.get(place)
    measured = None
    if comparison is not None:
        measured = comparison.tuned if rule.of == "tuned" else comparison.difference
    note = rule.note(noise=noise.get(place))
    return RuleVerdict(
        rule=rule,
        measured=measured,
        base=comparison.base if comparison else None,
        passed=measured is not None and not note and rule.holds(measured),
        note=note,
    )


def _look(rule: CheckedRule, facts: Facts) -> RuleVerdict:
    checks = rule.check(facts)
    return RuleVerdict(
        rule=rule,
        measured=None,
        base=None,
        # What people can still meet is asked when they decide, not here.
        passed=together(checks) in {"met", "asked at release"},
        checks=checks,
    )
