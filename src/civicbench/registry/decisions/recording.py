"""Statements and unsigned entries, checked and appended with the rows that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.errors import CivicbenchError, ExitCode
from civicbench.core.settings import suggest
from civicbench.registry.chain import append_event, chain_head
from civicbench.registry.decisions.kinds import EntryKind
from civicbench.registry.decisions.projection import Grants, project
from civicbench.registry.decisions.statements import (
    AliasMove,
    EntryDetail,
    Payload,
    SigningRole,
    Statement,
    Transition,
    now,
)
from civicbench.registry.decisions.tables import (
    Key,
    KeyRetirement,
    Person,
    RoleGrant,
    RoleWithdrawal,
    Signature,
)
from civicbench.registry.signing.envelope import STATEMENT_TYPE, Proof
from civicbench.registry.signing.keys import PublicKey, Signer
from civicbench.registry.tables import Event

PayloadT = TypeVar("PayloadT", bound=Payload)


class NotAllowedError(CivicbenchError):
    """Something that this person may not do, or may not do now."""

    exit_code = ExitCode.INVALID_USE


@dataclass(frozen=True)
class Effects:
    """What an entry does to versions and aliases."""

    transitions: tuple[Transition, ...] = ()
    moves: tuple[AliasMove, ...] = ()


def prepare(
    session: Session,
    kind: EntryKind[PayloadT],
    *,
    subject: str,
    payload: PayloadT,
    person: str,
    role: SigningRole | None = None,
) -> Statement:
    """Return the statement that a person is to sign.

    Args:
        session: An open session.
        kind: What happens.
        subject: What it happens to.
        payload: What is told of it.
        person: Who says it.
        role: In which role; None for the first of the kind's roles that the person holds.

    Raises:
        NotAllowedError: The person is unknown or holds no role that may do this.
    """
    held = held_roles(session, person=person)
    if role is None:
        fitting = [one for one in kind.roles if one in held]
        if not fitting:
            raise NotAllowedError(
                f"{person} may not do this: {kind.name}",
                got=f"roles: {', '.join(held) or 'none'}",
                remedy=f"it takes one of: {', '.join(kind.roles) or 'no role'}",
            )
        role = fitting[0]
    return Statement(
        kind=kind.name,
        subject=subject,
        person=person,
        role=role,
        at=now(),
        head=chain_head(session).digest,
        payload=payload.model_dump(mode="json"),
    )


def sign(statement: Statement, *, signer: Signer) -> Proof:
    """Return a signer's proof of a statement.

    Raises:
        NotAllowedError: The key is another person's.
    """
    if signer.person != statement.person:
        raise NotAllowedError(
            f"the key is {signer.person}'s, and the statement {statement.person}'s"
        )
    return signer.sign(STATEMENT_TYPE, statement.text.encode("utf-8"))


def check_proof(session: Session, *, statement: Statement, proof: Proof) -> None:
    """Refuse a statement that was not signed by who says it, with a key that stands enrolled.

    Raises:
        NotAllowedError: An unknown, retired or other person's key, a role not held, a statement
            of another registry, or one that was recorded already.
        IntegrityError: The signature is not over this statement.
    """
    key = session.get(Key, proof.key)
    if key is None or key.person != statement.person:
        raise NotAllowedError(
            f"the signature is by a key that is not enrolled for {statement.person}",
            got=f"key {proof.key[:12]}" + (f", which is {key.person}'s" if key else ""),
            remedy=f"see `civicbench keys list {statement.person}`",
        )
    if session.get(KeyRetirement, proof.key) is not None:
        raise NotAllowedError(
            "the signature is by a key that was retired",
            got=f"key {proof.key[:12]}",
            remedy=f"`civicbench keys new {statement.person}` makes another",
        )
    PublicKey(bytes.fromhex(key.public_key)).check(
        STATEMENT_TYPE, statement.text.encode("utf-8"), proof=proof
    )
    if statement.role != "self" and statement.role not in held_roles(
        session, person=statement.person
    ):
        raise NotAllowedError(f"{statement.person} does not hold the role {statement.role}")
    known = select(Event.sequence).where(Event.digest == statement.head)
    if chain_head(session).sequence and session.scalar(known) is None:
        raise NotAllowedError(
            "the statement was prepared on another registry, or before this log was restored",
            got=f"chain head {statement.head[:12]}",
            remedy="prepare and sign it again",
        )
    again = select(Signature.sequence).where(Signature.statement == statement.digest)
    if (sequence := session.scalar(again)) is not None:
        raise NotAllowedError(f"this very statement was recorded already, as event {sequence}")


def record_signed(
    session: Session,
    *,
    statement: Statement,
    proof: Proof,
    effects: Effects | None = None,
) -> Event:
    """Append a signed entry with its rows, in the caller's write transaction.

    Raises:
        NotAllowedError: See `check_proof`.
        IntegrityError: See `check_proof`.
    """
    check_proof(session, statement=statement, proof=proof)
    does = effects or Effects()
    detail = EntryDetail(
        statement=statement, proof=proof, transitions=does.transitions, moves=does.moves
    )
    return _append(
        session, statement.kind, subject=statement.subject, detail=detail, actor=statement.person
    )


def record_unsigned(
    session: Session, kind: EntryKind[PayloadT], *, subject: str, payload: PayloadT
) -> Event:
    """Append an entry that nobody has to sign, in the caller's write transaction."""
    detail = EntryDetail(payload=payload.model_dump(mode="json"))
    return _append(session, kind.name, subject=subject, detail=detail, actor=None)


def held_roles(session: Session, *, person: str) -> tuple[str, ...]:
    """Return the roles that a person holds.

    Raises:
        NotAllowedError: There is no such person, with the nearest that is.
    """
    if session.get(Person, person) is None:
        known = list(session.scalars(select(Person.name).order_by(Person.name)))
        near = suggest(person, known)
        raise NotAllowedError(
            f"the registry knows nobody called {person!r}",
            remedy=f"did you mean {near}?"
            if near
            else f"known people: {', '.join(known) or 'none; see `civicbench people add`'}",
        )
    return tuple(role for role, _ in _standing_grants(session, person=person))


def _standing_grants(session: Session, *, person: str) -> Sequence[Any]:
    query = (
        select(RoleGrant.role, RoleGrant.sequence)
        .outerjoin(
            RoleWithdrawal,
            (RoleWithdrawal.granted == RoleGrant.sequence)
            & (RoleWithdrawal.role == RoleGrant.role),
        )
        .where(RoleGrant.person == person, RoleWithdrawal.sequence.is_(None))
        .order_by(RoleGrant.sequence, RoleGrant.role)
    )
    return session.execute(query).all()


def _append(
    session: Session, kind: str, *, subject: str, detail: EntryDetail, actor: str | None
) -> Event:
    event = append_event(session, at=now(), kind=kind, subject=subject, detail=detail, actor=actor)
    grants = Grants()
    person = detail.told.get("name")
    if isinstance(person, str):
        for role, sequence in _standing_grants(session, person=person):
            grants.held[person, role] = sequence
    for row in project(event, grants=grants):
        session.add(row)
        session.flush()
    return event
