"""People, their roles, accounts and keys: checks before they change, and what stands now."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.digests import canonical_json, short
from civicbench.core.errors import InvalidInputError
from civicbench.registry.decisions.kinds import KeyAdded, KeyRetired, PersonAdded, PersonChanged
from civicbench.registry.decisions.recording import NotAllowedError, held_roles
from civicbench.registry.decisions.statements import Role, SigningRole
from civicbench.registry.decisions.tables import (
    Account,
    Key,
    KeyRetirement,
    Person,
    RoleGrant,
    RoleWithdrawal,
)
from civicbench.registry.signing.envelope import KEY_TYPE, Proof
from civicbench.registry.signing.key_files import PERSON
from civicbench.registry.signing.keys import PersonKey, PublicKey
from civicbench.registry.tables import Event
from civicbench.registry.versions import KeyFact, PersonFact

_OWNER: Role = "senior-responsible-owner"


@dataclass(frozen=True)
class Stewards:
    """Who has to sign changes of people.

    Attributes:
        people: The senior responsible owners who have a key; nobody has to sign while empty.
    """

    people: tuple[str, ...]


def find_stewards(session: Session) -> Stewards:
    """Return who has to sign changes of people, and of other people's keys."""
    query = (
        select(RoleGrant.person)
        .outerjoin(
            RoleWithdrawal,
            (RoleWithdrawal.granted == RoleGrant.sequence)
            & (RoleWithdrawal.role == RoleGrant.role),
        )
        .join(Key, Key.person == RoleGrant.person)
        .outerjoin(KeyRetirement, KeyRetirement.key == Key.id)
        .where(
            RoleGrant.role == _OWNER,
            RoleWithdrawal.sequence.is_(None),
            KeyRetirement.sequence.is_(None),
        )
        .distinct()
        .order_by(RoleGrant.person)
    )
    return Stewards(tuple(session.scalars(query)))


def enrolment(key: PersonKey) -> KeyAdded:
    """Return what enrols a key, with the key's own signature to show that it is held."""
    return KeyAdded(
        person=key.person,
        public_key=key.public.content.hex(),
        possession=key.sign(KEY_TYPE, _possession(key.person, key.public)).signature,
    )


def check_person_added(session: Session, told: PersonAdded) -> None:
    """Refuse a name that is none or taken, an account of another, and roles that clash."""
    if not PERSON.fullmatch(told.name):
        raise InvalidInputError(
            "a person's name is lower-case letters, digits and hyphens, at most 63",
            got=repr(told.name),
        )
    if not told.full_name.strip() or not told.full_name.isprintable():
        raise InvalidInputError("a person has a name for people", got=repr(told.full_name))
    if session.get(Person, told.name) is not None:
        raise NotAllowedError(
            f"{told.name} is known already",
            remedy="`civicbench people roles` changes roles and accounts",
        )
    _check_accounts(session, told.accounts)
    _check_auditor(told.roles)


def check_person_changed(session: Session, told: PersonChanged) -> None:
    """Refuse roles that are held already, or are not, and accounts of others."""
    held = held_roles(session, person=told.name)
    if not (told.grant or told.withdraw or told.accounts):
        raise InvalidInputError("nothing changes", where=told.name)
    for role in told.grant:
        if role in held:
            raise NotAllowedError(f"{told.name} holds the role {role} already")
    for role in told.withdraw:
        if role not in held:
            raise NotAllowedError(f"{told.name} does not hold the role {role}")
    # Taken away with the same entry does not count: the trigger looks at what stood before.
    _check_auditor((*held, *told.grant))
    _check_accounts(session, told.accounts)


def check_key_added(session: Session, told: KeyAdded) -> None:
    """Refuse a key of nobody, one that stands already, and one that was not shown to be held."""
    held_roles(session, person=told.person)
    public = _public_key(told.public_key)
    known = session.get(Key, public.fingerprint)
    if known is not None:
        raise NotAllowedError(
            f"the key {short(public.fingerprint)} is enrolled already, for {known.person}"
        )
    proof = Proof(key=public.fingerprint, signature=told.possession)
    public.check(KEY_TYPE, _possession(told.person, public), proof=proof)


def check_key_retired(session: Session, told: KeyRetired) -> None:
    """Refuse a key that is none or retired, and the last with which people can be changed."""
    key = session.get(Key, told.key)
    if key is None:
        raise NotAllowedError(f"no key is enrolled as {short(told.key)}")
    if session.get(KeyRetirement, told.key) is not None:
        raise NotAllowedError(f"the key {short(told.key)} is retired already")
    if not told.reason.strip():
        raise InvalidInputError("a reason is needed", where=f"key {short(told.key)}")


def self_role(session: Session, *, person: str, told: KeyAdded | KeyRetired) -> SigningRole | None:
    """Return "self" where a person changes their own keys, else None."""
    if isinstance(told, KeyAdded):
        return "self" if told.person == person else None
    key = session.get(Key, told.key)
    return "self" if key is not None and key.person == person else None


def active_keys(session: Session, *, person: str) -> set[str]:
    """Return the fingerprints of a person's keys that are enrolled and not retired."""
    query = (
        select(Key.id)
        .outerjoin(KeyRetirement, KeyRetirement.key == Key.id)
        .where(Key.person == person, KeyRetirement.sequence.is_(None))
    )
    return set(session.scalars(query))


def list_people(session: Session) -> tuple[PersonFact, ...]:
    """Return everybody with roles, accounts and keys, by name."""
    accounts: dict[str, list[str]] = {}
    for account in session.scalars(select(Account).order_by(Account.account)):
        accounts.setdefault(account.person, []).append(account.account)
    keys: dict[str, list[KeyFact]] = {}
    for key in list_keys(session):
        keys.setdefault(key.person, []).append(key)
    added = select(Person, Event.at).join(Event, Event.sequence == Person.sequence)
    return tuple(
        PersonFact(
            name=person.name,
            full_name=person.full_name,
            roles=held_roles(session, person=person.name),
            accounts=tuple(accounts.get(person.name, ())),
            keys=tuple(keys.get(person.name, ())),
            added_at=at,
        )
        for person, at in session.execute(added.order_by(Person.name))
    )


def list_keys(session: Session, *, person: str | None = None) -> tuple[KeyFact, ...]:
    """Return every enrolled key, or one person's, oldest first."""
    query = (
        select(Key, Event.at, KeyRetirement.sequence)
        .join(Event, Event.sequence == Key.sequence)
        .outerjoin(KeyRetirement, KeyRetirement.key == Key.id)
        .order_by(Key.sequence)
    )
    if person is not None:
        held_roles(session, person=person)
        query = query.where(Key.person == person)
    ends = select(Event.sequence, Event.at).join(
        KeyRetirement, KeyRetirement.sequence == Event.sequence
    )
    retired = {row.sequence: row.at for row in session.execute(ends)}
    return tuple(
        KeyFact(
            fingerprint=key.id,
            person=key.person,
            public_key=key.public_key,
            added_at=at,
            retired_at=retired.get(sequence),
        )
        for key, at, sequence in session.execute(query)
    )


def _public_key(text: str) -> PublicKey:
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = b""
    if len(content) != 32:
        raise InvalidInputError("is no Ed25519 public key", got=text[:80])
    return PublicKey(content)


def _possession(person: str, key: PublicKey) -> bytes:
    return canonical_json({"person": person, "public_key": key.content.hex()}).encode("utf-8")


def _check_accounts(session: Session, accounts: tuple[str, ...]) -> None:
    for name in accounts:
        taken = session.get(Account, name)
        if taken is not None:
            raise NotAllowedError(f"the account {name} is {taken.person}'s already")
        if not name.strip() or not name.isprintable():
            raise InvalidInputError("is no account", got=repr(name))


def _check_auditor(roles: tuple[str, ...]) -> None:
    if "auditor" in roles and len(set(roles)) > 1:
        raise NotAllowedError(
            "an auditor reads, and holds no other role",
            got=", ".join(roles),
            remedy="take the other roles away first",
        )
