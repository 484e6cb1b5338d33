"""The registry's tables: what a version is, what it showed, and the log of what was done.

The state of a version is a projection of the event log; every other column is written once.
Triggers (in the migrations) hold that in the database itself.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from civicbench.evaluation import results
from civicbench.evaluation.results import Better
from civicbench.registry.versions import Kind, State

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Digest = String(64)
Name = String(100)


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept in UTC; a time without a zone is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return the moment in UTC, as the database keeps it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> datetime | None:
        """Return the moment with its zone; SQLite keeps none."""
        if value is None:
            return None
        moment: datetime = value
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """The base of all tables."""

    metadata = MetaData(naming_convention=_NAMES)


class Model(Table):
    """A model: a name under which versions are numbered."""

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Version(Table):
    """A version: named by the digest of its evidence, which covers its weights."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("model", "number"), Index(None, "created_at"))

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    model: Mapped[str] = mapped_column(Name, ForeignKey("models.name"))
    number: Mapped[int] = mapped_column(Integer)
    recipe: Mapped[str] = mapped_column(Name)
    base: Mapped[str] = mapped_column(Name)
    state: Mapped[State] = mapped_column(String(40))
    evidence_digest: Mapped[str] = mapped_column(Digest)
    adapter_digest: Mapped[str] = mapped_column(Digest)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    gate_passed: Mapped[bool] = mapped_column(Boolean)


class Artefact(Table):
    """A file of the content-addressed store that some version needs."""

    __tablename__ = "artefacts"

    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(Name)


class VersionArtefact(Table):
    """The path under which a version knows a file."""

    __tablename__ = "version_artefacts"
    __table_args__ = (Index(None, "digest"),)

    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"), primary_key=True)
    path: Mapped[str] = mapped_column(String(400), primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, ForeignKey("artefacts.digest"))


class Result(Table):
    """One metric of a version, tuned against base; a copy from the evidence for queries."""

    __tablename__ = "results"
    __table_args__ = (Index(None, "suite", "task", "metric"),)

    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    suite: Mapped[str] = mapped_column(Name)
    task: Mapped[str] = mapped_column(Name)
    title: Mapped[str] = mapped_column(Text)
    kind: Mapped[Kind] = mapped_column(String(20))
    metric: Mapped[str] = mapped_column(Name)
    better: Mapped[Better] = mapped_column(String(20))
    headline: Mapped[bool] = mapped_column(Boolean)
    items: Mapped[int] = mapped_column(Integer)
    base_value: Mapped[float] = mapped_column(Double)
    base_low: Mapped[float] = mapped_column(Double)
    base_high: Mapped[float] = mapped_column(Double)
    tuned_value: Mapped[float] = mapped_column(Double)
    tuned_low: Mapped[float] = mapped_column(Double)
    tuned_high: Mapped[float] = mapped_column(Double)
    difference_value: Mapped[float] = mapped_column(Double)
    difference_low: Mapped[float] = mapped_column(Double)
    difference_high: Mapped[float] = mapped_column(Double)
    p_value: Mapped[float | None] = mapped_column(Double)
    verdict: Mapped[results.Verdict] = mapped_column(String(40))


class Verdict(Table):
    """What one rule of the gate found; a copy from the evidence for queries."""

    __tablename__ = "verdicts"

    version: Mapped[str] = mapped_column(Digest, ForeignKey("versions.digest"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    gate: Mapped[str] = mapped_column(Name)
    gate_digest: Mapped[str] = mapped_column(Digest)
    rule: Mapped[str] = mapped_column(Name)
    passed: Mapped[bool] = mapped_column(Boolean)
    detail: Mapped[str] = mapped_column(Text)


class Event(Table):
    """One link of the append-only log."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "subject"), UniqueConstraint("digest"))

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcTime)
    actor: Mapped[str] = mapped_column(Name)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(Name)
    detail: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(Digest)
    digest: Mapped[str] = mapped_column(Digest)
