"""Waivers: a named person answers for why a use policy's clause does not stand in the way."""

from datetime import UTC, date, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from civicbench.registry.chain import append_event
from civicbench.registry.database import Database
from civicbench.registry.rules.facts import Waiver
from civicbench.registry.tables import Event

_WAIVED = "use policy waived"


class WaiverDetail(BaseModel):
    """What the event of a waiver holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str
    """The model's name in the registry."""
    licence: str
    """Identifier of the licence whose policy it is."""
    clause: str
    """The clause, by its key."""
    role: str
    """In which role it was given."""
    reason: str
    """Why the clause does not stand in the way."""
    expires: date
    """The last day on which it counts."""


class WaiverLog:
    """The waivers in a registry's log.

    Args:
        database: The open registry's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, detail: WaiverDetail) -> Waiver:
        """Record a waiver."""
        with self._database.write() as session:
            event = append_event(
                session, at=datetime.now(UTC), kind=_WAIVED, subject=detail.model, detail=detail
            )
            return _read(event)

    def all(self, *, model: str | None = None) -> tuple[Waiver, ...]:
        """Return every waiver, oldest first, or those of one model."""
        query = select(Event).where(Event.kind == _WAIVED).order_by(Event.sequence)
        if model is not None:
            query = query.where(Event.subject == model)
        with self._database.read() as session:
            return tuple(_read(event) for event in session.scalars(query))

    def in_force(self, model: str, *, on: date) -> tuple[Waiver, ...]:
        """Return the waivers of a model that count on a day: of each clause the newest."""
        newest = {(waiver.licence, waiver.clause): waiver for waiver in self.all(model=model)}
        return tuple(waiver for waiver in newest.values() if waiver.expires >= on)


def _read(event: Event) -> Waiver:
    detail = WaiverDetail.model_validate_json(event.detail)
    return Waiver(**detail.model_dump(), by=event.actor, event=event.digest)
