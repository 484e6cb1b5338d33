"""The event log: append-only, each link holding the sha256 of the one before."""

import os
import pwd
from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.digests import canonical_json, digest_json
from civicbench.registry.tables import Event
from civicbench.registry.versions import ChainHead

FIRST_PREVIOUS = "0" * 64
"""What the first link names as the one before it."""


def append_event(
    session: Session,
    *,
    at: datetime,
    kind: str,
    subject: str,
    detail: BaseModel,
    actor: str | None = None,
) -> Event:
    """Append one event inside the caller's write transaction.

    Args:
        session: From `Database.write`: its lock keeps two writers from the same place.
        at: When it happened.
        kind: What happened.
        subject: What it happened to, such as a version's digest.
        detail: What is to be known of it later.
        actor: The person who signed it; None for the account that runs this process.
    """
    last = chain_head(session)
    event = Event(
        sequence=last.sequence + 1,
        at=at,
        actor=current_actor() if actor is None else actor,
        kind=kind,
        subject=subject,
        detail=canonical_json(detail.model_dump(mode="json")),
        previous=last.digest,
    )
    event.digest = event_digest(event)
    session.add(event)
    session.flush()
    return event


def chain_head(session: Session) -> ChainHead:
    """Return the log's last link; of an empty log, zeros."""
    query = select(Event.sequence, Event.digest).order_by(Event.sequence.desc()).limit(1)
    found = session.execute(query).one_or_none()
    if found is None:
        return ChainHead(sequence=0, digest=FIRST_PREVIOUS)
    return ChainHead(sequence=found.sequence, digest=found.digest)


def event_digest(event: Event) -> str:
    """Return the sha256 over the canonical JSON of an event without its own digest."""
    return digest_json(
        {
            "sequence": event.sequence,
            "at": event.at.isoformat(timespec="microseconds"),
            "actor": event.actor,
            "kind": event.kind,
            "subject": event.subject,
            "detail": event.detail,
            "previous": event.previous,
        }
    )


def walk_chain(events: list[Event]) -> Iterator[str]:
    """Yield what is wrong with the log, link by link.

    Args:
        events: All events by sequence.
    """
    previous = FIRST_PREVIOUS
    expected = 1
    for event in events:
        if event.sequence != expected:
            gap = range(expected, event.sequence)
            yield (
                f"missing: event {gap.start}"
                if len(gap) == 1
                else (f"missing: events {gap.start} to {gap.stop - 1}")
            )
        elif event.previous != previous:
            yield f"changed: event {event.sequence} does not follow from the one before"
        if event.digest != event_digest(event):
            yield f"changed: event {event.sequence} ({event.kind}, {event.subject[:12]})"
        previous = event.digest
        expected = event.sequence + 1


def current_actor() -> str:
    """Return the operating system's name for who runs this process.

    Environment variables are not asked: anyone can set those.
    """
    return account_name(os.getuid())


def account_name(number: int) -> str:
    """Return the operating system's name for an account."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user without an entry
        return f"uid {number}"
