"""What people sign, and how an entry of the log holds it."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from civicbench.core.digests import canonical_json, digest_text
from civicbench.registry.signing.envelope import STATEMENT_TYPE, Proof, pae

Role = Literal["engineer", "evaluator", "reviewer", "senior-responsible-owner", "auditor"]
ROLES: tuple[Role, ...] = (
    "engineer",
    "evaluator",
    "reviewer",
    "senior-responsible-owner",
    "auditor",
)
"""Every role; an auditor reads, and holds no other."""
SigningRole = Role | Literal["self"]
"""The role a person signs in; "self" for a person's own keys alone."""


class Payload(BaseModel):
    """The base of what an entry of the log tells: frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Statement(BaseModel):
    """What a person signs: the whole of what is said, who says it, and after what."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: str
    """What happens, such as "version decided"."""
    subject: str
    """What it happens to: a version's digest, a person, a key, or another name."""
    person: str
    """Who says it."""
    role: SigningRole
    """In which role."""
    at: AwareDatetime
    """When it was prepared (UTC)."""
    head: str
    """Digest of the log's last event then: ties the statement to this registry and moment."""
    payload: dict[str, JsonValue]
    """What is said."""

    @property
    def text(self) -> str:
        """The canonical JSON that is signed."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """sha256 of the text."""
        return digest_text(self.text)

    @property
    def signing_bytes(self) -> bytes:
        """The very bytes under the signature, for a key that is kept elsewhere."""
        return pae(STATEMENT_TYPE, self.text.encode("utf-8"))


class Transition(Payload):
    """A version's step in its life."""

    version: str
    """The version's digest."""
    from_state: str
    """The state it was in."""
    to_state: str
    """The state it is in now."""


class AliasMove(Payload):
    """An alias that names another version, or none, from now on."""

    model: str
    """The model."""
    alias: Literal["live", "candidate"]
    """The alias."""
    version: str | None
    """The version's digest; None where the alias names none from now on."""


class EntryDetail(Payload):
    """What an event's detail holds, for every kind but the first registration."""

    payload: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda value: not value)
    """What is told, where nobody signed it."""
    statement: Statement | None = Field(default=None, exclude_if=lambda value: value is None)
    """What is told, where somebody signed it."""
    proof: Proof | None = Field(default=None, exclude_if=lambda value: value is None)
    """The signature over the statement."""
    transitions: tuple[Transition, ...] = Field(default=(), exclude_if=lambda value: not value)
    """The steps that versions take by it."""
    moves: tuple[AliasMove, ...] = Field(default=(), exclude_if=lambda value: not value)
    """The aliases that move by it."""

    @property
    def told(self) -> dict[str, Any]:
        """What is told, signed or not."""
        return dict(self.statement.payload) if self.statement else self.payload


def now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)
