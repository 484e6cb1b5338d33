"""Gates written down before training: what the log says of when their rules were fixed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from civicbench.core.digests import canonical_json, digest_json
from civicbench.registry.chain import append_event
from civicbench.registry.database import Database
from civicbench.registry.gate_files import gate_digest
from civicbench.registry.gates import Gate, Standing
from civicbench.registry.tables import Event, Version

_GATE_REGISTERED = "gate registered"


class GateDetail(BaseModel):
    """What the event of a gate's registration holds: the rules themselves, and what for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    gate: str
    """The gate's name."""
    digest: str
    """Digest of its settings."""
    settings: str
    """Its settings as canonical JSON: what the digest is of."""
    training: str | None
    """Key of the training stage that was about to start; None where a person registered it."""
    recipe: str | None
    """The recipe of that training."""


class GateRegistration(BaseModel):
    """One registration of a gate, as the log has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sequence: int
    """Its place in the log."""
    at: datetime
    """When it was registered (UTC)."""
    actor: str
    """Who did it."""
    event: str
    """Digest of the event."""
    detail: GateDetail
    """The gate, and what for."""


class GateLog:
    """The registrations of gates in a registry's log.

    Args:
        database: The open registry's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self, gate: Gate, *, training: str | None = None, recipe: str | None = None
    ) -> GateRegistration:
        """Write a gate down, or find it written down as the last one for the same purpose.

        Args:
            gate: The gate as it stands in its file.
            training: Key of the training stage that is about to start.
            recipe: The recipe of that training.
        """
        detail = GateDetail(
            gate=gate.name,
            digest=gate_digest(gate),
            settings=canonical_json(gate.model_dump(mode="json")),
            training=training,
            recipe=recipe,
        )
        with self._database.write() as session:
            known = [
                one
                for one in _registrations(session)
                if (one.detail.gate, one.detail.training) == (gate.name, training)
                or (training is not None and one.detail.training == training)
            ]
            if known and known[-1].detail.digest == detail.digest:
                return known[-1]
            event = append_event(
                session,
                at=datetime.now(UTC),
                kind=_GATE_REGISTERED,
                subject=detail.digest,
                detail=detail,
            )
            return _read(event)

    def registrations(self, *, gate: str | None = None) -> tuple[GateRegistration, ...]:
        """Return registrations, oldest first; of one gate where a name is given."""
        with self._database.read() as session:
            return tuple(
                one for one in _registrations(session) if gate is None or one.detail.gate == gate
            )

    def registered_for(self, training: str) -> GateRegistration | None:
        """Return the gate that a training stage was last started under, or None."""
        found = [one for one in self.registrations() if one.detail.training == training]
        return found[-1] if found else None

    def standing(
        self, gate: Gate, *, training: str | None, trained_digest: str
    ) -> tuple[Standing, str | None]:
        """Return whether a gate was written down before anything was known of a model.

        It was where training started under it, or where a person had registered it before
        training started. What was registered after the first version of the same weights was
        comes too late: its results had been seen.

        Args:
            gate: The gate that the version is judged by.
            training: Key of the training stage; None for weights from elsewhere.
            trained_digest: Digest of what training made.

        Returns:
            The standing, and the digest that training started under where it is another one.
        """
        with self._database.read() as session:
            registrations = _registrations(session)
            first = _first_version(session, trained_digest=trained_digest)
        return judge_standing(
            registrations, digest=gate_digest(gate), training=training, first_version=first
        )


def judge_standing(
    registrations: Sequence[GateRegistration],
    *,
    digest: str,
    training: str | None,
    first_version: int | None,
) -> tuple[Standing, str | None]:
    """Return a gate's standing from the log; see `GateLog.standing`.

    Args:
        registrations: All registrations of gates, oldest first.
        digest: Digest of the gate that a version is judged by.
        training: Key of the training stage.
        first_version: Place in the log of the first version of these weights; None where none is.
    """
    in_time = [
        one for one in registrations if first_version is None or one.sequence < first_version
    ]
    starts = [one for one in in_time if training is not None and one.detail.training == training]
    if not starts:
        return "not registered before training", None
    start = starts[-1]
    before = {one.detail.digest for one in in_time if one.sequence <= start.sequence}
    if digest in before:
        return "registered before training", None
    return "moved after results", start.detail.digest


def _registrations(session: Session) -> list[GateRegistration]:
    query = select(Event).where(Event.kind == _GATE_REGISTERED).order_by(Event.sequence)
    return [_read(event) for event in session.scalars(query)]


def _first_version(session: Session, *, trained_digest: str) -> int | None:
    return session.scalar(
        select(func.min(Event.sequence))
        .join(Version, Version.digest == Event.subject)
        .where(Version.adapter_digest == trained_digest, Event.kind == "version registered")
    )


def _read(event: Event) -> GateRegistration:
    return GateRegistration(
        sequence=event.sequence,
        at=event.at,
        actor=event.actor,
        event=event.digest,
        detail=GateDetail.model_validate_json(event.detail),
    )


def check_detail(detail: GateDetail) -> bool:
    """Return whether a registration's settings are what its digest says."""
    return digest_json(json.loads(detail.settings)) == detail.digest
