"""What happened, event by event, in a line each."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.digests import short
from civicbench.registry.decisions.kinds import REGISTERED_NAME
from civicbench.registry.decisions.statements import EntryDetail
from civicbench.registry.references import resolve
from civicbench.registry.tables import Event
from civicbench.registry.versions import EventFact, RegistrationDetail


class HistoryFact(EventFact):
    """An event with what it tells, in words."""

    told: str
    """What it tells."""
    person: str | None
    """Who signed it; None where nobody did."""
    key: str | None
    """The key that signed it."""


def read_history(session: Session, *, reference: str | None = None) -> tuple[HistoryFact, ...]:
    """Return what happened to a version, or in the whole registry, oldest first.

    A version's history holds what was signed about other versions too where it changed by it:
    the release of the one that took its place.

    Args:
        session: An open session.
        reference: The version; None for all.
    """
    query = select(Event).order_by(Event.sequence)
    if reference is not None:
        digest = resolve(session, reference=reference).digest
        # Digests are hexadecimal: nothing in one is a pattern.
        query = query.where((Event.subject == digest) | Event.detail.contains(digest))
    return tuple(_fact(event) for event in session.scalars(query))


def _fact(event: Event) -> HistoryFact:
    plain = EventFact.model_validate(event).model_dump()
    if event.kind == REGISTERED_NAME:
        told = RegistrationDetail.model_validate_json(event.detail)
        text = f"{told.model}:{told.number}, gate {'met' if told.gate_passed else 'not met'}"
        return HistoryFact(**plain, told=text, person=None, key=None)
    try:
        detail = EntryDetail.model_validate_json(event.detail)
    except ValidationError:
        return HistoryFact(**plain, told="", person=None, key=None)
    steps = [f"{step.from_state} -> {step.to_state}" for step in detail.transitions
             if step.version == event.subject]  # fmt: skip
    moves = [
        f"{move.alias} names {short(move.version) if move.version else 'none'}"
        for move in detail.moves
    ]
    return HistoryFact(
        **plain,
        told="; ".join([*_words(detail.told), *steps, *moves]),
        person=detail.statement.person if detail.statement else None,
        key=detail.proof.key if detail.proof else None,
    )


def _words(told: dict[str, Any]) -> list[str]:
    """Return what is told in short words; digests and objects are left to the event's detail."""
    found = []
    for name, value in told.items():
        if name in ("version", "binding", "gate", "public_key", "possession", "key") or not value:
            continue
        if name == "conditions":
            found += [f"condition: {one['text']} [{one['scope']}]" for one in value]
        elif isinstance(value, list):
            found.append(f"{name}: {', '.join(map(str, value))}")
        elif isinstance(value, str | int | float):
            found.append(f"{name.replace('_', ' ')}: {value}")
    return found
