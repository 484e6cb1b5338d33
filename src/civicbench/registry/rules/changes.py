"""Rules on what changed: by the verdicts of comparisons, never by bare point values."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from civicbench.evaluation.results import Comparison, Estimate
from civicbench.registry.rules.facts import Facts
from civicbench.registry.rules.measured import tighter_than_noise
from civicbench.registry.rules.outcomes import (
    Check,
    NamedRule,
    cannot_tell,
    judged,
    met,
    not_met,
)

Margin = Annotated[float, Field(gt=0, lt=1)]
_KEPT = {"better", "no worse by more than the margin"}


class DomainGain(NamedRule):
    """The version is better than its base at its task, by the verdict of the comparison."""

    kind: Literal["domain-gain"]
    """The kind of rule."""
    suites: tuple[str, ...] = ()
    """The suites that count; empty for every domain suite of the recipe."""
    better: Literal["one", "every"] = "one"
    """How many of their headline measures have to be better; none of them may be worse."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each headline measure, and one for how many are better."""
        chosen = _headlines(facts.comparisons, kind="domain", suites=self.suites)
        if not chosen:
            return (cannot_tell("a domain suite was run", _named("no headline", self.suites)),)
        checks = []
        for comparison in chosen:
            asked = f"{_title(comparison)}: not worse than the base"
            wanted = comparison.verdict != "worse"
            if self.better == "every":
                asked = f"{_title(comparison)}: better than the base"
                wanted = comparison.verdict == "better"
            checks.append(judged(wanted, asked, describe_change(comparison)))
        better = sum(comparison.verdict == "better" for comparison in chosen)
        if self.better == "one":
            found = f"{better} of {len(chosen)} are better"
            checks.append(judged(better > 0, "at least one measure is better", found))
        return tuple(checks)


class SafetyChange(NamedRule):
    """Safety was not lost, against the base or against the version that is live."""

    kind: Literal["safety-change"]
    """The kind of rule."""
    against: Literal["base", "live"]
    """What the version is compared with."""
    margin: Margin | None = None
    """The loss that is tolerated, as a share: every measure must be shown to lose no more than
    that. None asks only that no measure is shown to be worse."""
    suites: tuple[str, ...] = ()
    """The suites that count; empty for every safety suite of the recipe."""
    tasks: tuple[str, ...] = ()
    """The families (tasks) that count; empty for all of them."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each headline measure of the safety suites."""
        if self.against == "base":
            return self._judge(facts.comparisons, facts, whom="the base")
        live = facts.live
        if live is None:
            return (met("not worse than the live version", "no version of this model is live"),)
        whom = f"the live version {live.reference}"
        missing = [suite for suite in live.not_compared if not self.suites or suite in self.suites]
        checks = [
            cannot_tell(f"{suite}: compared with {whom}", "the two were not asked the same items")
            for suite in missing
        ]
        return (*checks, *self._judge(live.comparisons, facts, whom=whom))

    def choose(self, comparisons: Sequence[Comparison]) -> list[Comparison]:
        """Return the headline measures that the rule is about."""
        return [
            comparison
            for comparison in _headlines(comparisons, kind="safety", suites=self.suites)
            if not self.tasks or comparison.task in self.tasks
        ]

    def _judge(
        self, comparisons: Sequence[Comparison], facts: Facts, *, whom: str
    ) -> tuple[Check, ...]:
        chosen = self.choose(comparisons)
        absent = sorted({*self.tasks} - {comparison.task for comparison in chosen})
        checks = [cannot_tell(f"{task}: measured", "no headline measure") for task in absent]
        if not chosen and not absent:
            return (cannot_tell("a safety suite was run", _named("no headline", self.suites)),)
        checks += [kept(one, margin=self.margin, facts=facts, whom=whom) for one in chosen]
        return tuple(checks)


class OverRefusal(NamedRule):
    """The model still helps where it should: harmless requests are not refused more often."""

    kind: Literal["over-refusal"]
    """The kind of rule."""
    suite: str
    """The suite with the harmless requests."""
    task: str
    """The task that asks them."""
    metric: str = "accuracy"
    """The metric: the share answered (higher is better), or the share refused (lower is)."""
    margin: Margin | None = None
    """How many more refusals than the base's are tolerated, as a share; None for no such limit."""
    refused_at_most: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share refused may not be above this, even at the bad end of its interval."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return the change from the base, and the share refused where a limit is set."""
        place = (self.suite, self.task, self.metric)
        comparison = next(
            (c for c in facts.comparisons if (c.suite, c.task, c.metric) == place), None
        )
        if comparison is None:
            return (cannot_tell(f"{' / '.join(place)}: measured", "it was not"),)
        checks = [kept(comparison, margin=self.margin, facts=facts, whom="the base")]
        if self.refused_at_most is not None:
            refused = _refused(comparison)
            found = f"{refused.value:.1%} refused, {refused.low:.1%} to {refused.high:.1%}"
            asked = f"at most {self.refused_at_most:.1%} refused, at the interval's upper end"
            checks.append(judged(refused.high <= self.refused_at_most, asked, found))
        return tuple(checks)


def kept(comparison: Comparison, *, margin: float | None, facts: Facts, whom: str) -> Check:
    """Return whether a measure was kept.

    With a margin the comparison has to show it: "better", or "no worse by more than the margin".
    Without one it is enough that the comparison does not show "worse".

    Args:
        comparison: The measure, judged with the margin that the gate declared.
        margin: The loss that is tolerated.
        facts: For the noise of repeats.
        whom: What it is compared with, in words.
    """
    title = _title(comparison)
    found = describe_change(comparison)
    if margin is None:
        asked = f"{title}: not shown to be worse than {whom}"
        return judged(comparison.verdict != "worse", asked, found)
    asked = f"{title}: no worse than {whom} by more than {margin:.1%}"
    place = (comparison.suite, comparison.task, comparison.metric)
    note = tighter_than_noise(margin, noise=facts.noise.get(place))
    if note:
        return cannot_tell(asked, f"{found}. {note}")
    if comparison.verdict in _KEPT and _within(comparison, margin):
        return met(asked, found)
    if comparison.verdict == "worse":
        return not_met(asked, found)
    return cannot_tell(asked, f"{found}: these items cannot show that the loss is that small")


def _within(comparison: Comparison, margin: float) -> bool:
    """Return whether "no worse by more than the margin" was said of a margin as small as this."""
    if comparison.verdict == "better":
        return True
    return comparison.margin is not None and comparison.margin <= margin


def describe_change(comparison: Comparison) -> str:
    """Return a comparison in a line: from, to, difference with its interval, verdict."""
    change = comparison.difference
    return (
        f"{comparison.base.value:.3g} to {comparison.tuned.value:.3g}, difference "
        f"{change.value:+.3g} [{change.low:+.3g}, {change.high:+.3g}]: {comparison.verdict}"
    )


def _refused(comparison: Comparison) -> Estimate:
    """Return the share refused: the measure itself, or what is left of the share answered."""
    own = comparison.tuned
    if comparison.better == "lower":
        return own
    flipped = {"value": 1 - own.value, "low": 1 - own.high, "high": 1 - own.low}
    return own.model_copy(update=flipped)


def _headlines(
    comparisons: Iterable[Comparison], *, kind: str, suites: tuple[str, ...]
) -> list[Comparison]:
    return [
        comparison
        for comparison in comparisons
        if comparison.headline
        and comparison.kind == kind
        and (not suites or comparison.suite in suites)
    ]


def _title(comparison: Comparison) -> str:
    return f"{comparison.title} ({comparison.metric})"


def _named(what: str, suites: tuple[str, ...]) -> str:
    return f"{what} measure of {', '.join(suites)}" if suites else f"{what} measure"
