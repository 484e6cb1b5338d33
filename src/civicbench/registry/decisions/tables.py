"""Tables of people, signatures and decisions: projections of the log, written once each.

A version's state is set by a trigger from `transitions`; every rule of who may do what stands in
triggers too (in the migrations), so that no page and no script can go past it.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from civicbench.registry.decisions.kinds import Alias, Outcome
from civicbench.registry.decisions.statements import Role, SigningRole
from civicbench.registry.tables import Digest, Name, Table, UtcTime
from civicbench.registry.versions import State


def _event(*, key: bool = True) -> Mapped[int]:
    return mapped_column(
        Integer, ForeignKey("events.sequence"), primary_key=key, autoincrement=False
    )


class Person(Table):
    """A person whom the registry knows."""

    __tablename__ = "people"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    full_name: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = _event(key=False)


class Account(Table):
    """An account on machines; it is one person's for ever."""

    __tablename__ = "accounts"

    account: Mapped[str] = mapped_column(Name, primary_key=True)
    person: Mapped[str] = mapped_column(Name, ForeignKey("people.name"))
    sequence: Mapped[int] = _event(key=False)


class RoleGrant(Table):
    """A role that a person gained."""

    __tablename__ = "role_grants"
    __table_args__ = (Index(None, "person", "role"),)

    sequence: Mapped[int] = _event()
    role: Mapped[Role] = mapped_column(String(40), primary_key=True)
    person: Mapped[str] = mapped_column(Name, ForeignKey("people.name"))


class RoleWithdrawal(Table):
    """A role that was taken away again."""

    __tablename__ = "role_withdrawals"

    granted: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    role: Mapped[Role] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int] = _event(key=False)


class Key(Table):
    """A person's public key."""

    __tablename__ = "keys"
    __table_args__ = (Index(None, "person"),)

    id: Mapped[str] = mapped_column(Digest, primary_key=True)
    person: Mapped[str] = mapped_column(Name, ForeignKey("people.name"))
    public_key: Mapped[str] = mapped_column(Digest)
    sequence: Mapped[int] = _event(key=False)


class KeyRetirement(Table):
    """A key that signs nothing any more."""

    __tablename__ = "key_retirements"

    key: Mapped[str] = mapped_column(Digest, ForeignKey("keys.id"), primary_key=True)
    sequence: Mapped[int] = _event(key=False)


class Signature(Table):
    """Who signed an event, in which role, with which key."""

    __tablename__ = "signatures"
    __table_args__ = (UniqueConstraint("statement"),)

    sequence: Mapped[int] = _event()
    person: Mapped[str] = mapped_column(Name, ForeignKey("people.name"))
    role: Mapped[SigningRole] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(Digest, ForeignKey("keys.id"))
    statement: Mapped[str] = mapped_column(Digest)


class VersionMaker(Table):
    """An account that trained or registered a version: who holds it cannot decide on it."""

    __tablename__ = "version_makers"

    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"), primary_key=True)
    account: Mapped[str] = mapped_column(Name, primary_key=True)
    did: Mapped[str] = mapped_column(String(20), primary_key=True)
    sequence: Mapped[int] = _event(key=False)


class Review(Table):
    """A round of review: a version that was submitted."""

    __tablename__ = "reviews"
    __table_args__ = (Index(None, "version"),)

    sequence: Mapped[int] = mapped_column(
        Integer, ForeignKey("signatures.sequence"), primary_key=True, autoincrement=False
    )
    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"))
    gate: Mapped[str] = mapped_column(Digest)
    reviewers: Mapped[int] = mapped_column(Integer)


class Assignment(Table):
    """A person who was asked to decide in a round."""

    __tablename__ = "assignments"
    __table_args__ = (UniqueConstraint("review", "person"),)

    sequence: Mapped[int] = mapped_column(
        Integer, ForeignKey("signatures.sequence"), primary_key=True, autoincrement=False
    )
    review: Mapped[int] = mapped_column(Integer, ForeignKey("reviews.sequence"))
    person: Mapped[str] = mapped_column(Name, ForeignKey("people.name"))


class Decision(Table):
    """A person's decision in a round, one each."""

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("review", "person"), Index(None, "version"))

    sequence: Mapped[int] = mapped_column(
        Integer, ForeignKey("signatures.sequence"), primary_key=True, autoincrement=False
    )
    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"))
    review: Mapped[int] = mapped_column(Integer, ForeignKey("reviews.sequence"))
    person: Mapped[str] = mapped_column(Name, ForeignKey("people.name"))
    outcome: Mapped[Outcome] = mapped_column(String(40))
    evidence: Mapped[str] = mapped_column(Digest)
    gate: Mapped[str] = mapped_column(Digest)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)


class AliasMoveRow(Table):
    """An alias that names another version, or none, since an event."""

    __tablename__ = "alias_moves"
    __table_args__ = (Index(None, "model", "alias", "sequence"),)

    sequence: Mapped[int] = mapped_column(
        Integer, ForeignKey("signatures.sequence"), primary_key=True, autoincrement=False
    )
    alias: Mapped[Alias] = mapped_column(String(20), primary_key=True)
    model: Mapped[str] = mapped_column(Name, ForeignKey("models.name"))
    version: Mapped[str | None] = mapped_column(Digest, ForeignKey("versions.digest"))


class TransitionRow(Table):
    """A step in a version's life."""

    __tablename__ = "transitions"
    __table_args__ = (Index(None, "version", "sequence"),)

    sequence: Mapped[int] = _event()
    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"), primary_key=True)
    from_state: Mapped[State] = mapped_column(String(40))
    to_state: Mapped[State] = mapped_column(String(40))
