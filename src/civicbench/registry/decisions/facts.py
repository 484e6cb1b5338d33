"""What is said of reviews, decisions and aliases: frozen, ready for JSON, free of the database."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.registry.decisions.kinds import Alias, Binding, Condition, Outcome
from civicbench.registry.versions import State


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DecisionFact(_Fact):
    """A person's decision."""

    sequence: int
    """The event that holds it."""
    at: datetime
    """When it was recorded (UTC)."""
    person: str
    """Who decided."""
    full_name: str
    """The name for people."""
    role: str
    """In which role."""
    key: str
    """Fingerprint of the key that signed it."""
    outcome: Outcome
    """What was decided."""
    reason: str
    """Why."""
    conditions: tuple[Condition, ...]
    """What the approval asks for."""
    expires_at: datetime | None
    """When it ends, the earliest of its own and its conditions'; None for no end."""
    binding: Binding
    """What it is about."""


class ReviewFact(_Fact):
    """A round of review."""

    sequence: int
    """The event by which the version was submitted."""
    at: datetime
    """When (UTC)."""
    submitted_by: str
    """Who submitted it."""
    note: str
    """What the reviewers were told."""
    reviewers: int
    """How many have to approve."""
    assigned: tuple[str, ...]
    """Who was asked to decide."""
    decisions: tuple[DecisionFact, ...]
    """What was decided, oldest first."""

    @property
    def approvals(self) -> tuple[DecisionFact, ...]:
        """The decisions that approve."""
        return tuple(one for one in self.decisions if one.outcome != "refuse")


class MakerFact(_Fact):
    """An account that made a version."""

    account: str
    """The account."""
    did: str
    """What was done under it: "trained" or "registered"."""
    person: str | None
    """Whose account it is; None where nobody was named."""


Next = Literal["nothing", "evaluate", "submit", "decide", "release", "make another version"]


class Standing(_Fact):
    """Where a version stands, and whether what was decided on it still applies."""

    version: str
    """Its digest."""
    reference: str
    """MODEL:NUMBER."""
    model: str
    """The model."""
    state: State
    """Where it stands in its life."""
    aliases: tuple[Alias, ...]
    """The aliases that name it now."""
    makers: tuple[MakerFact, ...]
    """Who made it, and so does not decide on it."""
    gate: str
    """Its gate's name."""
    gate_missed: tuple[str, ...]
    """The rules that do not hold."""
    reviews: tuple[ReviewFact, ...]
    """Every round, oldest first."""
    approved: bool
    """Whether the last round approved it."""
    applies: bool
    """Whether that approval applies now."""
    why_not: tuple[str, ...]
    """Why it does not."""
    waiting_for: str
    """Who has to do what next, in words; empty where nobody has to."""

    @property
    def review(self) -> ReviewFact | None:
        """The last round, if there was one."""
        return self.reviews[-1] if self.reviews else None


class AliasFact(_Fact):
    """A version that an alias named for a time."""

    model: str
    """The model."""
    alias: Alias
    """The alias."""
    version: str | None
    """The version's digest; None while it named none."""
    reference: str | None
    """MODEL:NUMBER."""
    since: datetime
    """When it began (UTC)."""
    until: datetime | None
    """When it ended; None while it lasts."""
    by: str
    """Who signed the release or withdrawal that began it."""
    reason: str
    """Why."""
    sequence: int
    """The event that began it."""
    ended_by: int | None
    """The event that ended it; None while it lasts."""
