"""Gates written down before training: what the log says of when their rules were fixed."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select

from civicbench.core.digests import canonical_json
from civicbench.registry.decisions.kinds import REGISTERED_NAME, EntryKind
from civicbench.registry.decisions.log import Entry
from civicbench.registry.decisions.statements import Payload
from civicbench.registry.gate_files import gate_digest
from civicbench.registry.gates import Gate, Standing
from civicbench.registry.registry import Registry
from civicbench.registry.tables import Event, Version


class GateRegistered(Payload):
    """A gate as it stood, written down: the rules themselves, and what for."""

    gate: str
    """The gate's name."""
    digest: str
    """Digest of its settings."""
    settings: str
    """Its settings as canonical JSON: what the digest is of."""
    training: str | None = None
    """Key of the training stage that was about to start; None where a person registered it."""
    recipe: str | None = None
    """The recipe of that training."""


GATE_REGISTERED = EntryKind("gate registered", GateRegistered)
"""Nobody has to sign it: that it stands in the log before the results is what counts."""


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
    detail: GateRegistered
    """The gate, and what for."""


class GateLog:
    """The registrations of gates in a registry's log.

    Args:
        registry: The open registry.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def register(
        self, gate: Gate, *, training: str | None = None, recipe: str | None = None
    ) -> GateRegistration:
        """Write a gate down, or find it written down as the last one for the same purpose.

        Args:
            gate: The gate as it stands in its file.
            training: Key of the training stage that is about to start.
            recipe: The recipe of that training.
        """
        told = GateRegistered(
            gate=gate.name,
            digest=gate_digest(gate),
            settings=canonical_json(gate.model_dump(mode="json")),
            training=training,
            recipe=recipe,
        )
        known = [
            one
            for one in self.registrations(gate=None if training else gate.name)
            if one.detail.training == training
        ]
        if known and known[-1].detail.digest == told.digest:
            return known[-1]
        return _read(self._registry.log.append(GATE_REGISTERED, subject=told.digest, payload=told))

    def registrations(self, *, gate: str | None = None) -> tuple[GateRegistration, ...]:
        """Return registrations, oldest first; of one gate where a name is given."""
        found = map(_read, self._registry.log.entries(GATE_REGISTERED))
        return tuple(one for one in found if gate is None or one.detail.gate == gate)

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
        return judge_standing(
            self.registrations(),
            digest=gate_digest(gate),
            training=training,
            first_version=self._first_version(trained_digest),
        )

    def _first_version(self, trained_digest: str) -> int | None:
        """Return the place in the log of the first version of the same weights."""
        query = (
            select(func.min(Event.sequence))
            .join(Version, Version.digest == Event.subject)
            .where(Version.adapter_digest == trained_digest, Event.kind == REGISTERED_NAME)
        )
        with self._registry.database.read() as session:
            return session.scalar(query)


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


def _read(entry: Entry[GateRegistered]) -> GateRegistration:
    event = entry.event
    return GateRegistration(
        sequence=event.sequence,
        at=event.at,
        actor=event.actor,
        event=event.digest,
        detail=entry.payload,
    )
