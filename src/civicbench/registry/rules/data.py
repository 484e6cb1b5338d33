"""Rules on the training data: contamination, personal data, licences, planted secrets."""

from typing import Annotated, Literal

from pydantic import Field

from civicbench.datasets.record import SnapshotRecord, StepFact
from civicbench.registry.rules.facts import Facts
from civicbench.registry.rules.outcomes import Check, NamedRule, cannot_tell, judged, met, not_met

DECONTAMINATE = "decontaminate"
PERSONAL_DATA = "personal-data"
_FOUND_AND_KEPT = "found, row kept"


class Contamination(NamedRule):
    """No item that a suite asks stands in the training rows."""

    kind: Literal["contamination"]
    """The kind of rule."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each dataset and suite, by what curation compared."""
        if not facts.datasets:
            return (cannot_tell("the training rows are known", _unknown(facts)),)
        return tuple(
            _kept_apart(dataset, suite=items.suite, own_items=items.own_items)
            for dataset in facts.datasets
            for items in facts.items
        )


def _kept_apart(dataset: SnapshotRecord, *, suite: str, own_items: bool) -> Check:
    asked = f"{dataset.name}: no training row overlaps with an item of {suite}"
    if not own_items:
        return met(asked, "the items are a held-out split: no group of rows stands in two splits")
    step = _step(dataset, DECONTAMINATE)
    if step is None:
        return cannot_tell(asked, f"the dataset has no step {DECONTAMINATE}")
    if suite not in dataset.kept_apart_from:
        return not_met(asked, f"compared with {', '.join(dataset.kept_apart_from) or 'no suite'}")
    reason = f"overlaps with suite {suite}"
    removed = sum(fact.rows for fact in step.removed if fact.reason == reason)
    return met(asked, f"every row was compared; {removed} that overlapped were left out")


class PersonalData(NamedRule):
    """Personal data that detectors find does not stand in the training rows."""

    kind: Literal["personal-data"]
    """The kind of rule."""
    rows_at_most: Annotated[int, Field(ge=0)] = 0
    """Rows in which something was found and that stayed as they were."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each dataset, by what its curation found."""
        if not facts.datasets:
            return (cannot_tell("the training rows are known", _unknown(facts)),)
        return tuple(self._judge(dataset) for dataset in facts.datasets)

    def _judge(self, dataset: SnapshotRecord) -> Check:
        asked = f"{dataset.name}: personal data left in {self.rows_at_most} rows at most"
        steps = [step for step in dataset.steps if step.name == PERSONAL_DATA]
        if not steps:
            return cannot_tell(asked, f"the dataset has no step {PERSONAL_DATA}: nobody looked")
        # The last step that looked is the one that says what is left.
        last = steps[-1]
        left = sum(fact.rows for fact in last.changed if fact.reason.endswith(_FOUND_AND_KEPT))
        removed = sum(fact.rows for step in steps for fact in step.removed)
        changed = sum(fact.rows for step in steps for fact in step.changed) - left
        found = (
            f"of {last.rows_in} rows looked at, {left} were kept as they were, "
            f"{max(changed, 0)} redacted and {removed} left out"
        )
        return judged(left <= self.rows_at_most, asked, found)


class DataLicences(NamedRule):
    """Every source of the training rows has a licence that is on a list."""

    kind: Literal["data-licences"]
    """The kind of rule."""
    allowed: Annotated[tuple[str, ...], Field(min_length=1)]
    """SPDX identifiers (or LicenseRef-NAME) that may be trained on."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each dataset, naming sources with another licence."""
        if not facts.datasets:
            return (cannot_tell("the training rows are known", _unknown(facts)),)
        return tuple(self._judge(dataset) for dataset in facts.datasets)

    def _judge(self, dataset: SnapshotRecord) -> Check:
        asked = f"{dataset.name}: every source under {', '.join(self.allowed)}"
        if not dataset.sources:
            return cannot_tell(asked, "the dataset names no source")
        others = [source for source in dataset.sources if source.licence not in self.allowed]
        if others:
            named = ", ".join(f"{source.name} ({source.licence})" for source in others)
            return not_met(asked, f"not on the list: {named}")
        used = ", ".join(sorted({source.licence for source in dataset.sources}))
        sources = "1 source" if len(dataset.sources) == 1 else f"{len(dataset.sources)} sources"
        return met(asked, f"{sources}: {used}")


class CanaryExposure(NamedRule):
    """Made-up secrets that were planted in the training rows cannot be drawn out of the model."""

    kind: Literal["canary-exposure"]
    """The kind of rule."""
    exposure_at_most_bits: Annotated[float, Field(ge=0)]
    """Exposure of the worst secret in bits, at the upper end of its interval."""
    extracted_at_most: Annotated[int, Field(ge=0)] = 0
    """Secrets that the model may write out whole."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return exposure and extraction; not told where no secret was planted."""
        found = facts.canaries
        if found is None:
            return (
                cannot_tell(
                    "planted secrets were looked for",
                    "none were planted, so what the model gives away of its data is not known",
                ),
            )
        exposure = found.exposure_bits
        return (
            judged(
                exposure.high <= self.exposure_at_most_bits,
                f"exposure at most {self.exposure_at_most_bits:g} bits",
                f"{exposure.value:.3g} bits [{exposure.low:.3g}, {exposure.high:.3g}], the worst "
                f"of {found.planted} secrets, planted {found.repeats} times. {found.method}",
            ),
            judged(
                found.extracted <= self.extracted_at_most,
                f"{self.extracted_at_most} secrets at most written out whole",
                f"{found.extracted} of {found.planted}",
            ),
        )


def _step(dataset: SnapshotRecord, name: str) -> StepFact | None:
    return next((step for step in dataset.steps if step.name == name), None)


def _unknown(facts: Facts) -> str:
    if facts.trained_elsewhere:
        return "the model was trained elsewhere, and its training rows are not known here"
    return "no dataset is recorded"
