"""Rules on what is written down: the card, the ATRS record, how to make it again, judges."""

from typing import Annotated, Literal

from pydantic import Field

from civicbench.registry.rules.facts import Facts, JudgeFact
from civicbench.registry.rules.outcomes import (
    Check,
    NamedRule,
    at_release,
    cannot_tell,
    judged,
    met,
    not_met,
)


class CardComplete(NamedRule):
    """The card leaves no field open that a person or a run has to fill."""

    kind: Literal["card-complete"]
    """The kind of rule."""
    may_be_open: tuple[str, ...] = ()
    """Fields that may stay open, by the names that the check gives."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return one check that names the open fields."""
        open_fields = [gap for gap in facts.card_gaps if gap not in self.may_be_open]
        asked = "every field of the card is filled"
        if self.may_be_open:
            asked += f", but for {', '.join(self.may_be_open)}"
        if open_fields:
            return (not_met(asked, f"open: {', '.join(open_fields)}"),)
        return (met(asked, "nothing is open"),)


class AtrsComplete(NamedRule):
    """The Algorithmic Transparency Record is filled in, so far as it has to be for release."""

    kind: Literal["atrs-complete"]
    """The kind of rule."""
    may_be_open: tuple[str, ...] = ()
    """Fields that may stay open, by their keys."""

    def check(self, _facts: Facts) -> tuple[Check, ...]:
        """Return that the decision asks it: people fill the record after the run."""
        return (
            at_release(
                "every field of the ATRS record is filled",
                "people fill it in after the run; the decision on release looks",
            ),
        )

    def check_release(self, missing: tuple[str, ...]) -> Check:
        """Return whether the record may be released.

        Args:
            missing: Keys of the record's fields that nobody filled.
        """
        open_fields = [key for key in missing if key not in self.may_be_open]
        asked = "every field of the ATRS record is filled"
        if open_fields:
            return not_met(asked, f"open: {', '.join(open_fields)}")
        return met(asked, "nothing is open")


class Reproducible(NamedRule):
    """The same version can be made again from what is recorded."""

    kind: Literal["reproducible"]
    """The kind of rule."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return checks on seed, pinned inputs, versions and the stages' keys."""
        training = facts.training
        if facts.trained_elsewhere or training is None or facts.base is None:
            found = "the weights came from outside" if facts.trained_elsewhere else "no run"
            return (cannot_tell("it was trained here from a recipe", found),)
        unpinned = [
            source.name
            for dataset in facts.datasets
            for source in dataset.sources
            if not source.sha256
        ]
        base = facts.base
        changed = [key.stage for key in facts.stage_keys if key.kept != key.computed]
        asked = "every stage's key is the same when it is computed again"
        keys = cannot_tell(asked, "no stage is recorded")
        if changed:
            keys = not_met(asked, f"differs: {', '.join(changed)}")
        elif facts.stage_keys:
            keys = met(asked, f"{len(facts.stage_keys)} stages")
        return (
            met("a seed is set", f"seed {training.seed}"),
            judged(
                bool(base.files) and bool(base.weights_digest),
                "the base model's files are pinned by digest",
                f"{len(base.files)} files, weights {base.weights_digest[:12]}",
            ),
            judged(
                not unpinned,
                "every source of the training rows is pinned by digest",
                f"not pinned: {', '.join(unpinned)}"
                if unpinned
                else f"{sum(len(dataset.sources) for dataset in facts.datasets)} sources",
            ),
            judged(
                bool(training.packages) and bool(training.code_version),
                "versions of code and packages are recorded",
                f"Civicbench {training.code_version}, {len(training.packages)} packages",
            ),
            keys,
        )


class JudgeAgreement(NamedRule):
    """Where a judge scored answers, it agrees with people who labelled the same ones."""

    kind: Literal["judge-agreement"]
    """The kind of rule."""
    kappa_at_least: Annotated[float, Field(ge=-1, le=1)]
    """Cohen's kappa with the people's labels, at the lower end of its interval."""
    labels_at_least: Annotated[int, Field(gt=0)] = 50
    """Answers that people must have labelled."""
    suites: tuple[str, ...] = ()
    """The judged suites that must have been measured; empty for those that name a judge."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each judged suite."""
        measured = {fact.suite: fact for fact in facts.judges}
        wanted = self.suites or tuple(sorted(measured))
        if not wanted:
            return (
                cannot_tell("a judge's agreement with people was measured", "no judge is recorded"),
            )
        return tuple(self._judge(suite, measured.get(suite)) for suite in wanted)

    def _judge(self, suite: str, fact: JudgeFact | None) -> Check:
        asked = f"{suite}: kappa at least {self.kappa_at_least:g} on {self.labels_at_least} labels"
        if fact is None:
            return cannot_tell(asked, "it was not measured")
        kappa = fact.kappa
        enough = fact.labels >= self.labels_at_least and kappa.low >= self.kappa_at_least
        return judged(
            enough,
            asked,
            f"{fact.judge}: kappa {kappa.value:.3g} [{kappa.low:.3g}, {kappa.high:.3g}], accuracy "
            f"{fact.accuracy.value:.1%}, {fact.labels} labels",
        )
