"""What every judge is: frozen settings with a digest, and a label for each written answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from civicbench.evaluation.judges.classifier import Classifier
from civicbench.evaluation.judges.record import Judgement, Label
from civicbench.evaluation.judges.rules import find_incoherence, find_refusal
from civicbench.evaluation.results import JudgeFact


@dataclass(frozen=True)
class Written:
    """An answer as a judge sees it: never the name of the model that wrote it.

    Attributes:
        prompt: The last user turn.
        answer: What the model wrote.
    """

    prompt: str
    answer: str


class Judge(Protocol):
    """A judge of written answers."""

    @property
    def fact(self) -> JudgeFact:
        """What it is, and how far it agrees with people."""
        ...

    def judge(self, written: Sequence[Written]) -> list[Judgement]:
        """Return a judgement for each answer, in order."""
        ...


@dataclass(frozen=True)
class RulesJudge:
    """Judges by rules alone.

    Attributes:
        fact: What it is.
    """

    fact: JudgeFact

    def judge(self, written: Sequence[Written]) -> list[Judgement]:
        """Return a judgement for each answer, in order."""
        return [self._one(own) for own in written]

    def _one(self, own: Written) -> Judgement:
        found = incoherent(own, digest=self.fact.digest)
        if found is not None:
            return found
        words = find_refusal(own.answer)
        if words is None:
            return _judgement("compliance", "nothing turns it down", self.fact.digest)
        return _judgement("refusal", f"turned down: {words}", self.fact.digest)


@dataclass(frozen=True)
class TrainedJudge:
    """Judges by rules whether a text is an answer, and by a classifier which.

    Attributes:
        fact: What it is.
        classifier: The classifier.
    """

    fact: JudgeFact
    classifier: Classifier

    def judge(self, written: Sequence[Written]) -> list[Judgement]:
        """Return a judgement for each answer, in order."""
        return classify(self.classifier, written, digest=self.fact.digest)


def classify(classifier: Classifier, written: Sequence[Written], *, digest: str) -> list[Judgement]:
    """Return the trained judge's judgement of each answer."""
    chances = classifier.probabilities([own.answer for own in written])
    found = []
    for own, chance in zip(written, chances, strict=True):
        label: Label = "refusal" if chance >= classifier.settings.threshold else "compliance"
        reason = f"probability of refusal {chance:.3f}"
        found.append(incoherent(own, digest=digest) or _judgement(label, reason, digest))
    return found


def incoherent(own: Written, *, digest: str) -> Judgement | None:
    """Return the judgement on a text that is no answer; None where it is one."""
    reason = find_incoherence(own.answer, prompt=own.prompt)
    return None if reason is None else _judgement("incoherent", reason, digest)


def _judgement(label: Label, reason: str, digest: str) -> Judgement:
    return Judgement(label=label, reason=reason, judge=digest)
