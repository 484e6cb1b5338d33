"""The desk: every act of a person on the registry, prepared, signed and recorded in one way.

An act is one of the payloads of `decisions.kinds`. Whoever has an unlocked key does it at once;
a page prepares it, has its statement signed elsewhere, and records what comes back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from civicbench.core.errors import InvalidInputError
from civicbench.registry.database import Database
from civicbench.registry.decisions import people, releases, reviews
from civicbench.registry.decisions.files import check_files, find_version, read_evidence
from civicbench.registry.decisions.kinds import (
    ASSIGNED,
    DECIDED,
    KEY_ADDED,
    KEY_RETIRED,
    PERSON_ADDED,
    PERSON_CHANGED,
    RELEASED,
    SUBMITTED,
    WITHDRAWN,
    Assigned,
    Decided,
    EntryKind,
    KeyAdded,
    KeyRetired,
    PersonAdded,
    PersonChanged,
    Released,
    Submitted,
    Withdrawn,
)
from civicbench.registry.decisions.recording import (
    Effects,
    NotAllowedError,
    held_roles,
    prepare,
    record_signed,
    record_unsigned,
    sign,
)
from civicbench.registry.decisions.statements import Payload, SigningRole, Statement
from civicbench.registry.signing.envelope import Proof
from civicbench.registry.signing.keys import Signer
from civicbench.registry.store import Store
from civicbench.registry.versions import EventFact, KeyFact, PersonFact


@dataclass(frozen=True)
class Act:
    """How one kind of act is handled.

    Attributes:
        kind: What happens.
        subject: Of what it tells what it happens to.
        check: Refuses what may not be done now, for a person (None where nobody signs), and says
            what else changes by it.
    """

    kind: EntryKind[Any]
    subject: Callable[[Any], str]
    check: Callable[[Session, Any, str | None], Effects]


def _without_effects(check: Callable[[Session, Any], None]) -> Callable[..., Effects]:
    def checked(session: Session, told: Any, _person: str | None) -> Effects:
        check(session, told)
        return Effects()

    return checked


_PEOPLE = (
    Act(PERSON_ADDED, lambda told: told.name, _without_effects(people.check_person_added)),
    Act(PERSON_CHANGED, lambda told: told.name, _without_effects(people.check_person_changed)),
    Act(KEY_ADDED, lambda told: told.person, _without_effects(people.check_key_added)),
    Act(KEY_RETIRED, lambda told: told.key, _without_effects(people.check_key_retired)),
)


def _version_acts(store: Store) -> tuple[Act, ...]:
    def submitted(session: Session, told: Submitted, _: str | None) -> Effects:
        version = find_version(session, told.version)
        evidence = read_evidence(store, version=version)
        return reviews.check_submitted(session, told, version=version, evidence=evidence)

    def assigned(session: Session, told: Assigned, _: str | None) -> Effects:
        version = find_version(session, told.version)
        return reviews.check_assigned(session, told, version=version)

    def decided(session: Session, told: Decided, person: str | None) -> Effects:
        version = find_version(session, told.version)
        evidence = read_evidence(store, version=version)
        effects = reviews.check_decided(
            session, told, version=version, evidence=evidence, person=person
        )
        if told.outcome != "refuse":
            check_files(session, store, version=version)
        return effects

    def released(session: Session, told: Released, person: str | None) -> Effects:
        version = find_version(session, told.version)
        evidence = read_evidence(store, version=version)
        effects = releases.check_released(
            session, told, version=version, evidence=evidence, person=person
        )
        check_files(session, store, version=version)
        return effects

    def withdrawn(session: Session, told: Withdrawn, _: str | None) -> Effects:
        version = find_version(session, told.version)
        return releases.check_withdrawn(session, told, version=version)

    return (
        Act(SUBMITTED, lambda told: told.version, submitted),
        Act(ASSIGNED, lambda told: told.version, assigned),
        Act(DECIDED, lambda told: told.version, decided),
        Act(RELEASED, lambda told: told.version, released),
        Act(WITHDRAWN, lambda told: told.version, withdrawn),
    )


_UNSIGNED: tuple[type[Payload], ...] = (PersonAdded, PersonChanged, KeyAdded, KeyRetired)


class Desk:
    """Where people act on a registry.

    Args:
        database: The registry's database.
        store: Its files, which decisions and releases look at again.
    """

    def __init__(self, database: Database, *, store: Store) -> None:
        self._database = database
        acts = (*_PEOPLE, *_version_acts(store))
        self._acts = {act.kind.name: act for act in acts}
        self._by_payload = {act.kind.payload: act for act in self._acts.values()}

    def do(self, told: Payload, *, signer: Signer | None) -> EventFact:
        """Do something, signed by an unlocked key.

        Args:
            told: What is done: a payload of `decisions.kinds`.
            signer: Who does it. None only for changes of people and keys while the registry has
                no senior responsible owner who could sign.

        Raises:
            NotAllowedError: It may not be done, by this person, or now.
            IntegrityError: Something that it rests on is not what it was.
        """
        if signer is not None:
            statement = self.prepare(told, person=signer.person)
            return self.record(statement, sign(statement, signer=signer))
        act = self._by_payload[type(told)]
        with self._database.write() as session:
            stewards = people.find_stewards(session)
            if not isinstance(told, _UNSIGNED) or stewards.people:
                raise NotAllowedError(
                    f"this has to be signed: {act.kind.name}",
                    remedy="by " + (", ".join(stewards.people) or ", ".join(act.kind.roles)),
                )
            act.check(session, told, None)
            event = record_unsigned(session, act.kind, subject=act.subject(told), payload=told)
            return EventFact.model_validate(event)

    def prepare(self, told: Payload, *, person: str) -> Statement:
        """Return the statement for a person to sign; raises what `do` raises."""
        act = self._by_payload[type(told)]
        with self._database.read() as session:
            act.check(session, told, person)
            role: SigningRole | None = None
            if isinstance(told, KeyAdded | KeyRetired):
                role = people.self_role(session, person=person, told=told)
            return prepare(
                session,
                act.kind,
                subject=act.subject(told),
                payload=told,
                person=person,
                role=role,
            )

    def record(self, statement: Statement, proof: Proof) -> EventFact:
        """Record a statement that was prepared here, and signed here or elsewhere.

        Everything is checked anew: what was allowed when it was prepared may not be any more.
        """
        act = self._acts.get(statement.kind)
        if act is None:
            raise InvalidInputError("is no act of a person", got=statement.kind)
        try:
            told = act.kind.payload.model_validate(dict(statement.payload))
        except ValidationError as error:
            raise InvalidInputError(
                f"does not hold what is told of: {statement.kind}",
                got=str(error.errors(include_url=False)[0]["loc"]),
            ) from None
        with self._database.write() as session:
            effects = act.check(session, told, statement.person)
            self._check_role(session, act, told, statement)
            if statement.subject != act.subject(told):
                raise InvalidInputError("is about something else than it tells")
            event = record_signed(session, statement=statement, proof=proof, effects=effects)
            return EventFact.model_validate(event)

    def people(self) -> tuple[PersonFact, ...]:
        """Return everybody whom the registry knows."""
        with self._database.read() as session:
            return people.list_people(session)

    def keys(self, *, person: str | None = None) -> tuple[KeyFact, ...]:
        """Return every enrolled key, or one person's."""
        with self._database.read() as session:
            return people.list_keys(session, person=person)

    def roles(self, person: str) -> tuple[str, ...]:
        """Return the roles that a person holds.

        Raises:
            NotAllowedError: There is no such person.
        """
        with self._database.read() as session:
            return held_roles(session, person=person)

    def find_key(self, fingerprint: str) -> KeyFact:
        """Return the one key whose fingerprint begins so.

        Raises:
            InvalidInputError: None does, or several.
        """
        found = [key for key in self.keys() if key.fingerprint.startswith(fingerprint)]
        if len(found) != 1 or not fingerprint:
            raise InvalidInputError(
                f"{len(found)} enrolled keys have that fingerprint"
                if found
                else "no enrolled key has that fingerprint",
                got=fingerprint,
                remedy="see `civicbench keys list`",
            )
        return found[0]

    def stewards(self) -> tuple[str, ...]:
        """Return who has to sign changes of people; nobody has to while empty."""
        with self._database.read() as session:
            return people.find_stewards(session).people

    def _check_role(self, session: Session, act: Act, told: Any, statement: Statement) -> None:
        if statement.role in act.kind.roles:
            return
        own = isinstance(told, KeyAdded | KeyRetired) and (
            people.self_role(session, person=statement.person, told=told) == statement.role
        )
        if not own:
            raise NotAllowedError(
                f"the role {statement.role} does not do this: {act.kind.name}",
                remedy=f"it takes one of: {', '.join(act.kind.roles)}",
            )
