"""The rows that an event makes: written with it, and made again to verify."""

from collections.abc import Iterator

from pydantic import ValidationError

from civicbench.registry.decisions.kinds import (
    ASSIGNED,
    DECIDED,
    KEY_ADDED,
    KEY_RETIRED,
    PERSON_ADDED,
    PERSON_CHANGED,
    REGISTERED_NAME,
    SUBMITTED,
    Assigned,
    Decided,
    KeyAdded,
    KeyRetired,
    PersonAdded,
    PersonChanged,
    Submitted,
)
from civicbench.registry.decisions.statements import EntryDetail
from civicbench.registry.decisions.tables import (
    Account,
    AliasMoveRow,
    Assignment,
    Decision,
    Key,
    KeyRetirement,
    Person,
    Review,
    RoleGrant,
    RoleWithdrawal,
    Signature,
    TransitionRow,
    VersionMaker,
)
from civicbench.registry.signing.keys import PublicKey
from civicbench.registry.tables import Event, Table
from civicbench.registry.versions import RegistrationDetail

PROJECTED: tuple[type[Table], ...] = (
    Person,
    Account,
    RoleGrant,
    RoleWithdrawal,
    Key,
    KeyRetirement,
    Signature,
    VersionMaker,
    Review,
    Assignment,
    Decision,
    AliasMoveRow,
    TransitionRow,
)
"""The tables whose every row follows from an event."""


class Grants:
    """Which event granted which role, as far as the log was read.

    Attributes:
        held: The granting event, by person and role.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], int] = {}


def read_detail(event: Event) -> EntryDetail | None:
    """Return an event's detail, or None where it is no entry's."""
    try:
        return EntryDetail.model_validate_json(event.detail)
    except ValidationError:
        return None


def project(event: Event, *, grants: Grants) -> list[Table]:
    """Return the rows that an event makes, in the order in which they have to be written.

    Args:
        event: The event.
        grants: The roles that stood before it; brought up to date.

    Raises:
        ValidationError: The event's detail is not what its kind says.
    """
    if event.kind == REGISTERED_NAME:
        return list(_registration(event))
    detail = EntryDetail.model_validate_json(event.detail)
    return [
        *_signature(event, detail),
        *_told(event, detail, grants=grants),
        *(
            AliasMoveRow(
                sequence=event.sequence, alias=move.alias, model=move.model, version=move.version
            )
            for move in detail.moves
        ),
        *(
            TransitionRow(
                sequence=event.sequence,
                version=step.version,
                from_state=step.from_state,
                to_state=step.to_state,
            )
            for step in detail.transitions
        ),
    ]


def _registration(event: Event) -> Iterator[Table]:
    detail = RegistrationDetail.model_validate_json(event.detail)
    made = [("registered", event.actor), *(("trained", account) for account in detail.trained_by)]
    for did, account in made:
        yield VersionMaker(version=event.subject, account=account, did=did, sequence=event.sequence)
    for draft in detail.supersedes:
        yield TransitionRow(
            sequence=event.sequence, version=draft, from_state="draft", to_state="superseded"
        )


def _signature(event: Event, detail: EntryDetail) -> Iterator[Table]:
    if detail.statement is not None and detail.proof is not None:
        yield Signature(
            sequence=event.sequence,
            person=detail.statement.person,
            role=detail.statement.role,
            key=detail.proof.key,
            statement=detail.statement.digest,
        )


def _told(event: Event, detail: EntryDetail, *, grants: Grants) -> Iterator[Table]:
    told, sequence = detail.told, event.sequence
    if event.kind == PERSON_ADDED.name:
        added = PersonAdded.model_validate(told)
        yield Person(name=added.name, full_name=added.full_name, sequence=sequence)
        yield from _gained(added.name, added.accounts, added.roles, sequence, grants=grants)
    elif event.kind == PERSON_CHANGED.name:
        changed = PersonChanged.model_validate(told)
        for role in changed.withdraw:
            granted = grants.held.pop((changed.name, role), 0)
            yield RoleWithdrawal(granted=granted, role=role, sequence=sequence)
        yield from _gained(changed.name, changed.accounts, changed.grant, sequence, grants=grants)
    elif event.kind == KEY_ADDED.name:
        key = KeyAdded.model_validate(told)
        public = PublicKey(bytes.fromhex(key.public_key))
        yield Key(
            id=public.fingerprint, person=key.person, public_key=key.public_key, sequence=sequence
        )
    elif event.kind == KEY_RETIRED.name:
        yield KeyRetirement(key=KeyRetired.model_validate(told).key, sequence=sequence)
    else:
        yield from _reviewed(event, detail)


def _gained(
    person: str,
    accounts: tuple[str, ...],
    roles: tuple[str, ...],
    sequence: int,
    *,
    grants: Grants,
) -> Iterator[Table]:
    for account in accounts:
        yield Account(account=account, person=person, sequence=sequence)
    for role in roles:
        grants.held[person, role] = sequence
        yield RoleGrant(sequence=sequence, role=role, person=person)


def _reviewed(event: Event, detail: EntryDetail) -> Iterator[Table]:
    told, sequence = detail.told, event.sequence
    if event.kind == SUBMITTED.name:
        asked = Submitted.model_validate(told)
        yield Review(
            sequence=sequence, version=asked.version, gate=asked.gate, reviewers=asked.reviewers
        )
    elif event.kind == ASSIGNED.name:
        assigned = Assigned.model_validate(told)
        yield Assignment(sequence=sequence, review=assigned.review, person=assigned.reviewer)
    elif event.kind == DECIDED.name and detail.statement is not None:
        decided = Decided.model_validate(told)
        ends = [decided.expires_at, *(one.expires_at for one in decided.conditions)]
        yield Decision(
            sequence=sequence,
            version=decided.version,
            review=decided.review,
            person=detail.statement.person,
            outcome=decided.outcome,
            evidence=decided.binding.evidence,
            gate=decided.binding.gate,
            expires_at=min((end for end in ends if end is not None), default=None),
        )
