"""The log of a registry: entries of every kind that has no rows of its own."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from sqlalchemy import select

from civicbench.core.errors import InvalidInputError
from civicbench.registry.database import Database
from civicbench.registry.decisions.kinds import OWN_NAMES, EntryKind
from civicbench.registry.decisions.recording import (
    NotAllowedError,
    prepare,
    record_signed,
    record_unsigned,
    sign,
)
from civicbench.registry.decisions.statements import (
    EntryDetail,
    Payload,
    SigningRole,
    Statement,
)
from civicbench.registry.signing.envelope import Proof
from civicbench.registry.signing.keys import Signer
from civicbench.registry.tables import Event
from civicbench.registry.versions import EventFact

PayloadT = TypeVar("PayloadT", bound=Payload)


@dataclass(frozen=True)
class Entry(Generic[PayloadT]):
    """An entry of the log, read back.

    Attributes:
        event: The event.
        payload: What was told.
        person: Who signed it; None where nobody did.
        role: In which role.
    """

    event: EventFact
    payload: PayloadT
    person: str | None
    role: SigningRole | None


class Log:
    """The log of a registry, for entries of every kind that has no rows of its own.

    Args:
        database: The registry's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        kind: EntryKind[PayloadT],
        *,
        subject: str,
        payload: PayloadT,
        signer: Signer | None = None,
    ) -> Entry[PayloadT]:
        """Append an entry, signed where its kind asks for a role.

        Args:
            kind: What happens.
            subject: What it happens to, at most 100 characters.
            payload: What is told of it.
            signer: Who signs; has to be given where the kind names roles.

        Raises:
            NotAllowedError: Nobody signs, or somebody who may not.
        """
        _refuse_own(kind.name)
        if signer is not None:
            with self._database.read() as session:
                statement = prepare(
                    session, kind, subject=subject, payload=payload, person=signer.person
                )
            return self.record(kind, statement=statement, proof=sign(statement, signer=signer))
        if kind.roles:
            raise NotAllowedError(
                f"this has to be signed: {kind.name}",
                remedy=f"by one of: {', '.join(kind.roles)}",
            )
        with self._database.write() as session:
            event = record_unsigned(session, kind, subject=subject, payload=payload)
            return _read(kind, event)

    def prepare(
        self, kind: EntryKind[PayloadT], *, subject: str, payload: PayloadT, person: str
    ) -> Statement:
        """Return the statement for a person to sign elsewhere; raises what `append` raises."""
        _refuse_own(kind.name)
        with self._database.read() as session:
            return prepare(session, kind, subject=subject, payload=payload, person=person)

    def record(
        self, kind: EntryKind[PayloadT], *, statement: Statement, proof: Proof
    ) -> Entry[PayloadT]:
        """Record a statement that was signed here or elsewhere.

        Raises:
            NotAllowedError: Signed by who may not, or in a role that does not count here.
            IntegrityError: The signature is not over this statement.
        """
        _refuse_own(kind.name)
        if statement.kind != kind.name or (kind.roles and statement.role not in kind.roles):
            raise NotAllowedError(
                f"is no statement that may be recorded as: {kind.name}",
                got=f"{statement.kind} as {statement.role}",
            )
        _payload(kind, dict(statement.payload), where="the statement")
        with self._database.write() as session:
            return _read(kind, record_signed(session, statement=statement, proof=proof))

    def entries(
        self, kind: EntryKind[PayloadT], *, subject: str | None = None
    ) -> tuple[Entry[PayloadT], ...]:
        """Return every entry of a kind, oldest first, or those about one subject."""
        query = select(Event).where(Event.kind == kind.name).order_by(Event.sequence)
        if subject is not None:
            query = query.where(Event.subject == subject)
        with self._database.read() as session:
            return tuple(_read(kind, event) for event in session.scalars(query))


def _refuse_own(name: str) -> None:
    if name in OWN_NAMES:
        raise ValueError(f"{name!r} is written by the functions that check it")


def _read(kind: EntryKind[PayloadT], event: Event) -> Entry[PayloadT]:
    fact = EventFact.model_validate(event)
    try:
        detail = EntryDetail.model_validate_json(event.detail)
    except ValidationError:
        raise InvalidInputError(
            "holds no entry", where=f"event {event.sequence} ({event.kind})"
        ) from None
    statement = detail.statement
    return Entry(
        event=fact,
        payload=_payload(kind, detail.told, where=f"event {event.sequence}"),
        person=statement.person if statement else None,
        role=statement.role if statement else None,
    )


def _payload(kind: EntryKind[PayloadT], told: dict[str, Any], *, where: str) -> PayloadT:
    try:
        return kind.payload.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInputError(
            f"does not hold what is told of: {kind.name}",
            where=where,
            got=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
        ) from None
