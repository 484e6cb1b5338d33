"""What the registry says of versions: frozen, ready for JSON, free of the database."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from civicbench.evaluation.results import Better, Verdict
from civicbench.registry.gates import RuleVerdict

State = Literal[
    "draft",
    "evaluated",
    "in review",
    "approved",
    "approved with conditions",
    "refused",
    "live",
    "superseded",
    "withdrawn",
]
Kind = Literal["domain", "safety", "general"]


class _Fact(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, from_attributes=True
    )


class Interval(_Fact):
    """A value between the ends of its 95 % interval."""

    value: float
    """The estimate."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


class ResultFact(_Fact):
    """One metric of a version, tuned against base."""

    suite: str
    """The suite."""
    task: str
    """The task within it."""
    title: str
    """The task's name for people."""
    kind: Kind
    """What the suite is for."""
    metric: str
    """The metric within the task."""
    better: Better
    """Which way is better."""
    headline: bool
    """Whether it stands in the short table."""
    items: int
    """Items both models were asked."""
    base: Interval
    """The base model."""
    tuned: Interval
    """The version."""
    difference: Interval
    """Tuned minus base, by pairs."""
    p_value: float | None
    """Exact McNemar p-value; None for values that are not right or wrong."""
    verdict: Verdict
    """What the interval says."""


class RuleFact(_Fact):
    """What one rule of the gate found."""

    gate: str
    """The gate's name."""
    gate_digest: str
    """Digest of the gate's settings."""
    rule: str
    """The rule's name."""
    passed: bool
    """Whether it holds."""
    detail: RuleVerdict
    """Rule, measured value and base value, as the evidence has them."""


class ArtefactFact(_Fact):
    """One file of a version."""

    path: str
    """Its path within the version."""
    digest: str
    """sha256 of its bytes."""
    size_bytes: int
    """Its length."""
    media_type: str
    """What it is."""


class EventFact(_Fact):
    """One event of the log."""

    sequence: int
    """Its place, from 1."""
    at: datetime
    """When it happened (UTC)."""
    actor: str
    """Who did it: the person who signed it, or the account on the machine where nobody did."""
    kind: str
    """What happened."""
    subject: str
    """What it happened to: a version's digest, a person, a key, or another name."""
    detail: str
    """What is to be known of it, as canonical JSON: the text that the digest covers."""
    previous: str
    """Digest of the event before; zeros for the first."""
    digest: str
    """sha256 over the canonical JSON of all other fields."""


class RegistrationDetail(_Fact):
    """What the event of a registration holds: enough to find any later change of its rows."""

    model: str
    """The model's name."""
    number: int
    """The version's number within it."""
    recipe: str
    """The recipe's name."""
    base: str
    """The base model's name."""
    state: State
    """The state it was registered in."""
    evidence_digest: str
    """sha256 of `evidence.json`."""
    adapter_digest: str
    """Digest of the adapter's files."""
    gate_passed: bool
    """Whether every rule of its gate held."""
    artefacts: dict[str, str]
    """sha256 of each file by path."""
    # Registrations by earlier releases keep their digests.
    trained_by: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Accounts that own what training made; not written where not known."""
    supersedes: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Drafts of the same weights that this version stands in for, now that it is evaluated."""


class VersionSummary(_Fact):
    """A version in a line."""

    digest: str
    """Its name: the sha256 of `evidence.json`, which covers weights, data, results, verdicts."""
    reference: str
    """MODEL:NUMBER."""
    model: str
    """The model's name."""
    number: int
    """Its number within the model, from 1."""
    recipe: str
    """The recipe that made it."""
    base: str
    """The base model."""
    state: State
    """Where it stands in its life."""
    gate_passed: bool
    """Whether every rule of its gate held."""
    created_at: datetime
    """When it was registered (UTC)."""


class VersionDetail(VersionSummary):
    """A version with all that the database knows of it."""

    evidence_digest: str
    """sha256 of `evidence.json`."""
    adapter_digest: str
    """Digest of the adapter's files."""
    results: tuple[ResultFact, ...]
    """Every metric."""
    rules: tuple[RuleFact, ...]
    """The gate, rule by rule."""
    artefacts: tuple[ArtefactFact, ...]
    """Its files."""
    events: tuple[EventFact, ...]
    """What happened to it, oldest first."""


class ChainHead(_Fact):
    """The end of the log; kept elsewhere, it shows later whether the log was rewritten."""

    sequence: int
    """Number of events."""
    digest: str
    """Digest of the last one."""


class Verification(_Fact):
    """What a sound registry holds."""

    events: int
    """Events of the log."""
    versions: int
    """Registered versions."""
    files: int
    """Files of the store that versions name."""
    signatures: int
    """Signatures that were checked."""
    head: ChainHead
    """The end of the log."""
    leftovers: tuple[str, ...]
    """Files of the store that no version names: left by interrupted registrations, harmless."""


class KeyFact(_Fact):
    """A person's public key."""

    fingerprint: str
    """sha256 of the public key: its name."""
    person: str
    """Whose it is."""
    public_key: str
    """The 32 bytes of the Ed25519 public key, in hexadecimal."""
    added_at: datetime
    """When it was enrolled (UTC)."""
    retired_at: datetime | None
    """When it was retired; None while it may sign."""


class PersonFact(_Fact):
    """A person whom the registry knows."""

    name: str
    """The name in the registry."""
    full_name: str
    """The name for people."""
    roles: tuple[str, ...]
    """The roles held now."""
    accounts: tuple[str, ...]
    """Accounts on machines that are the person's."""
    keys: tuple[KeyFact, ...]
    """Every key, retired ones too."""
    added_at: datetime
    """When the registry came to know the person (UTC)."""
