"""What can happen in a registry: a kind of event, what it tells, and who has to sign it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from civicbench.registry.decisions.statements import Payload, Role

PayloadT = TypeVar("PayloadT", bound=Payload)
Alias = Literal["live", "candidate"]
Outcome = Literal["approve", "approve with conditions", "refuse"]


@dataclass(frozen=True)
class EntryKind(Generic[PayloadT]):
    """A kind of event.

    Attributes:
        name: What happens, at most 40 characters; it stands in the log for ever.
        payload: What is told of it.
        roles: Who may do it, and has to sign it; nobody has to where empty.
    """

    name: str
    payload: type[PayloadT]
    roles: tuple[Role, ...] = ()


class PersonAdded(Payload):
    """A person whom the registry knows from now on."""

    name: str
    """The name in the registry."""
    full_name: str
    """The name for people."""
    accounts: tuple[str, ...]
    """The person's accounts on machines: who registered a version is known by these."""
    roles: tuple[Role, ...]
    """The roles from the beginning."""


class PersonChanged(Payload):
    """Roles and accounts that a person gains, and roles that are taken away."""

    name: str
    """The person."""
    grant: tuple[Role, ...] = ()
    """Roles gained."""
    withdraw: tuple[Role, ...] = ()
    """Roles taken away."""
    accounts: tuple[str, ...] = ()
    """Accounts gained; one is never taken away, for what was done under it stays done."""


class KeyAdded(Payload):
    """A key with which a person signs from now on."""

    person: str
    """The person."""
    public_key: str
    """The 32 bytes of the public key, in hexadecimal."""
    possession: str
    """The new key's own signature over person and key, in base64."""


class KeyRetired(Payload):
    """A key that signs nothing from now on; what it signed before stays signed."""

    key: str
    """The key's fingerprint."""
    reason: str
    """Why."""


class Binding(Payload):
    """What a decision is about: if any of it differs later, the decision no longer applies."""

    evidence: str
    """The version's digest, over all of the below and more."""
    base_weights: str
    """Digest of the base model's weights."""
    weights: str
    """Digest of what training made."""
    data: str
    """Name of all rows that were trained on."""
    suites: dict[str, str]
    """Digest of items and prompts, by suite."""
    judges: dict[str, str]
    """Digest of judge model and its instructions, by suite that is judged by one."""
    gate: str
    """Digest of the gate's settings."""


class Submitted(Payload):
    """A version that reviewers are asked to decide on."""

    version: str
    """The version's digest."""
    gate: str
    """Digest of its gate's settings."""
    reviewers: int = Field(ge=1, le=5)
    """How many have to approve."""
    note: str = ""
    """What the reviewers are told."""


class Assigned(Payload):
    """A person who is asked to decide."""

    version: str
    """The version's digest."""
    review: int
    """The event by which it was submitted."""
    reviewer: str
    """The person."""


class Condition(Payload):
    """What an approval asks for."""

    text: str = Field(min_length=1)
    """What has to be done, or not done."""
    scope: str = Field(min_length=1)
    """Where, for whom or for which use it holds."""
    expires_at: datetime | None = None
    """When the approval ends unless the condition is met and reviewed again; None for no end."""


class Decided(Payload):
    """A reviewer's decision."""

    version: str
    """The version's digest."""
    review: int
    """The event by which it was submitted."""
    outcome: Outcome
    """What was decided."""
    reason: str
    """Why, in the reviewer's words."""
    conditions: tuple[Condition, ...] = ()
    """What an approval asks for."""
    expires_at: datetime | None = None
    """When the approval ends; None for no end."""
    binding: Binding
    """What it is about."""


class Released(Payload):
    """A version that an alias names from now on."""

    version: str
    """The version's digest."""
    alias: Alias
    """The alias."""
    reason: str
    """Why."""
    binding: Binding
    """What the approval that it rests on is about."""


class Withdrawn(Payload):
    """A version that must not be used any more."""

    version: str
    """The version's digest."""
    reason: str
    """Why."""


_STEWARD: tuple[Role, ...] = ("senior-responsible-owner",)
PERSON_ADDED = EntryKind("person added", PersonAdded, _STEWARD)
PERSON_CHANGED = EntryKind("person changed", PersonChanged, _STEWARD)
KEY_ADDED = EntryKind("key added", KeyAdded, _STEWARD)
KEY_RETIRED = EntryKind("key retired", KeyRetired, _STEWARD)
SUBMITTED = EntryKind("version submitted", Submitted, ("engineer", "evaluator"))
ASSIGNED = EntryKind(
    "reviewer assigned", Assigned, ("engineer", "evaluator", "senior-responsible-owner")
)
DECIDED = EntryKind("version decided", Decided, ("reviewer", "senior-responsible-owner"))
RELEASED = EntryKind("version released", Released, ("senior-responsible-owner",))
WITHDRAWN = EntryKind("version withdrawn", Withdrawn, ("senior-responsible-owner", "reviewer"))
REGISTERED_NAME = "version registered"
"""The kind of the first event of every version; its detail is `RegistrationDetail`."""
ACTS: dict[str, EntryKind[Any]] = {
    kind.name: kind
    for kind in (
        PERSON_ADDED,
        PERSON_CHANGED,
        KEY_ADDED,
        KEY_RETIRED,
        SUBMITTED,
        ASSIGNED,
        DECIDED,
        RELEASED,
        WITHDRAWN,
    )
}
"""Every kind of act of a person that the registry itself checks, by name."""
OWN_NAMES = frozenset(ACTS) | {REGISTERED_NAME}
"""Kinds with rows of their own, written by the functions that check them and by no other."""
