"""What a rule found: checks with an outcome each, in words that a reviewer reads."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.core.settings import Settings

Outcome = Literal["met", "not met", "could not tell", "asked at release"]


class NamedRule(Settings):
    """What every rule says of itself."""

    name: str
    """The rule's name."""
    reason: str
    """Why it is asked, in a sentence that a reviewer reads."""


class Check(BaseModel):
    """One thing that a rule looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    asked: str
    """What has to hold."""
    found: str
    """What was found."""
    outcome: Outcome
    """Whether it holds."""


def met(asked: str, found: str) -> Check:
    """Return a check that holds."""
    return Check(asked=asked, found=found, outcome="met")


def not_met(asked: str, found: str) -> Check:
    """Return a check that does not hold."""
    return Check(asked=asked, found=found, outcome="not met")


def cannot_tell(asked: str, found: str) -> Check:
    """Return a check for which the evidence holds too little."""
    return Check(asked=asked, found=found, outcome="could not tell")


def at_release(asked: str, found: str) -> Check:
    """Return a check that people can still meet: a decision asks it, not a run."""
    return Check(asked=asked, found=found, outcome="asked at release")


def judged(holds: bool, asked: str, found: str) -> Check:
    """Return a check that holds, or not."""
    return met(asked, found) if holds else not_met(asked, found)


def together(checks: Sequence[Check]) -> Outcome:
    """Return a rule's outcome from its checks: the worst of them; without any, nobody can tell."""
    found = {check.outcome for check in checks}
    if "not met" in found:
        return "not met"
    if "could not tell" in found or not found:
        return "could not tell"
    return "asked at release" if "asked at release" in found else "met"
