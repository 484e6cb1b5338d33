"""Walking chain, database and store, and naming what was changed, missing or added."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.errors import IntegrityError
from civicbench.registry import rows
from civicbench.registry.anchors import (
    Anchor,
    against_anchor,
    enrolled_keys,
    read_checkpoint,
)
from civicbench.registry.bindings import EVIDENCE_NAME
from civicbench.registry.chain import chain_head, walk_chain
from civicbench.registry.database import Database
from civicbench.registry.decisions.auditing import Audit
from civicbench.registry.decisions.projection import PROJECTED
from civicbench.registry.decisions.tables import Signature
from civicbench.registry.engines import describe
from civicbench.registry.evidence import Evidence
from civicbench.registry.shape import compare_shape
from civicbench.registry.signing.keys import PublicKey
from civicbench.registry.store import Store, StoreFindings
from civicbench.registry.tables import (
    Artefact,
    Event,
    Model,
    Result,
    Verdict,
    Version,
    VersionArtefact,
)
from civicbench.registry.versions import RegistrationDetail, Verification

KeyT = TypeVar("KeyT")


def verify(
    database: Database,
    *,
    store: Store,
    anchors: Sequence[Anchor] = (),
    trusted: Sequence[PublicKey] = (),
) -> Verification:
    """Check a whole registry against itself.

    The log's links are recomputed; every row is compared with what its event and its evidence
    say; every signature is checked; every file is read. A log that was cut at its end together
    with the rows it made is whole in itself: only a chain head kept elsewhere shows that.

    Args:
        database: The registry's database.
        store: Its files.
        anchors: Signed checkpoints that were kept elsewhere.
        trusted: Public keys with which those may be signed; without one, the registry's own.

    Returns:
        What a sound registry holds.

    Raises:
        IntegrityError: With one line for each thing that was changed, is missing, or was added.
    """
    with database.check() as connection:
        shape = list(compare_shape(connection))
    with database.read() as session:
        events = list(session.scalars(select(Event).order_by(Event.sequence)))
        versions = list(session.scalars(select(Version).order_by(Version.model, Version.number)))
        files = set(session.scalars(select(Artefact.digest)))
        head = chain_head(session)
        found = store.verify(files)
        audit = Audit()
        found_wrong = [
            *walk_chain(events),
            *_store(found),
            *_projections(session, events=events, audit=audit),
            *_registrations(
                session,
                events=events,
                versions=versions,
                store=store,
                found=found,
                states=audit.states,
            ),
            *_belongings(session, store=store),
            *_anchored(session, anchors=anchors, trusted=trusted),
        ]
    if shape or found_wrong:
        problems = list(dict.fromkeys([*shape, *found_wrong]))
        count = "1 finding" if len(problems) == 1 else f"{len(problems)} findings"
        raise IntegrityError(
            f"the registry is not what was registered: {count}\n"
            + "\n".join(f"  - {problem}" for problem in problems),
            where=describe(database.engine.url),
            remedy="restore database and store from a backup, and find out who changed them",
        )
    return Verification(
        events=len(events),
        versions=len(versions),
        files=len(files),
        signatures=sum(isinstance(row, Signature) for row in audit.rows),
        head=head,
        leftovers=found.leftovers,
    )


def _store(found: StoreFindings) -> Iterator[str]:
    yield from (f"changed: the store's file {digest}" for digest in found.changed)
    yield from (f"missing: the store's file {digest}" for digest in found.missing)
    yield from (f"added: {path} in the store" for path in found.foreign)


def _anchored(
    session: Session, *, anchors: Sequence[Anchor], trusted: Sequence[PublicKey]
) -> Iterator[str]:
    known = {key.fingerprint: ("", key) for key in trusted} or enrolled_keys(session)
    for anchor in anchors:
        yield from against_anchor(session, read_checkpoint(anchor, keys=known))


def _projections(session: Session, *, events: list[Event], audit: Audit) -> Iterator[str]:
    """Read the log again, and compare every row that follows from it."""
    for event in events:
        yield from audit.read(event)
    for table in PROJECTED:
        keys = [str(column.key) for column in table.__mapper__.primary_key]
        expected = {
            tuple(getattr(row, key) for key in keys): rows.values_of(row)
            for row in audit.rows
            if isinstance(row, table)
        }
        present = {
            tuple(getattr(row, key) for key in keys): rows.values_of(row)
            for row in session.scalars(select(table))
        }
        yield from _differences(
            expected,
            present=present,
            name=lambda key, table=table: f"row {'/'.join(map(str, key))} of {table.__tablename__}",  # type: ignore[misc]
        )


def _registrations(
    session: Session,
    *,
    events: list[Event],
    versions: list[Version],
    store: Store,
    found: StoreFindings,
    states: Mapping[str, str],
) -> Iterator[str]:
    unreadable = {*found.changed, *found.missing}
    registered = {event.subject: event for event in events if event.kind == "version registered"}
    if len(registered) != sum(event.kind == "version registered" for event in events):
        yield "added: a second registration event of one version"
    for subject in sorted(registered.keys() - {version.digest for version in versions}):
        yield f"missing: version {subject} (event {registered[subject].sequence})"
    for version in versions:
        event = registered.get(version.digest)
        if event is None:
            yield f"added: version {version.digest} ({version.model}:{version.number}), no event"
            continue
        state = states.get(version.digest, "")
        yield from _against_event(session, version=version, event=event, state=state)
        if version.digest not in unreadable:
            yield from _against_evidence(session, version=version, event=event, store=store)


def _against_event(
    session: Session, *, version: Version, event: Event, state: str
) -> Iterator[str]:
    try:
        detail = RegistrationDetail.model_validate_json(event.detail)
    except ValidationError:
        yield f"changed: event {event.sequence} holds no registration"
        return
    named = {
        row.path: row.digest
        for row in session.scalars(
            select(VersionArtefact).where(VersionArtefact.version == version.digest)
        )
    }
    whose = _called(version)
    yield from _differences(
        detail.artefacts, present=named, name=lambda path: f"file {path} of {whose}"
    )
    told = detail.model_dump(exclude={"artefacts", "trained_by", "supersedes"})
    expected = told | {"created_at": event.at, "state": state}
    for column, value in expected.items():
        if getattr(version, column) != value:
            yield f"changed: {column} of {whose}"


def _against_evidence(
    session: Session, *, version: Version, event: Event, store: Store
) -> Iterator[str]:
    whose = _called(version)
    try:
        evidence = Evidence.model_validate_json(store.get(version.digest).read_bytes())
    except IntegrityError:
        yield f"missing: {EVIDENCE_NAME} of {whose}"
        return
    except ValidationError:
        yield f"changed: {EVIDENCE_NAME} of {whose} is not evidence"
        return
    made = rows.version_values(evidence, number=version.number, created_at=event.at)
    del made["state"]  # follows from the log, which was compared above
    for column, value in made.items():
        if getattr(version, column) != value:
            yield f"changed: {column} of {whose}"
    own = version.digest
    results = session.scalars(select(Result).where(Result.version == own))
    verdicts = session.scalars(select(Verdict).where(Verdict.version == own))
    yield from _differences(
        dict(enumerate(rows.result_values(evidence), start=1)),
        present={row.position: rows.values_of(row) for row in results},
        name=lambda position: f"result {position} of {whose}",
    )
    yield from _differences(
        dict(enumerate(rows.verdict_values(evidence), start=1)),
        present={row.position: rows.values_of(row) for row in verdicts},
        name=lambda position: f"verdict {position} of {whose}",
    )


def _belongings(session: Session, *, store: Store) -> Iterator[str]:
    """Name rows that belong to no version, and sizes and types that are not their files'."""
    named: dict[str, set[str]] = {}
    for artefact in session.scalars(select(VersionArtefact)):
        named.setdefault(artefact.digest, set()).add(rows.media_type(artefact.path))
    for row in session.scalars(select(Artefact).order_by(Artefact.digest)):
        if row.digest not in named:
            yield f"added: artefact {row.digest}, which no version names"
            continue
        if row.media_type not in named[row.digest]:
            yield f"changed: media type of artefact {row.digest}"
        if store.size_bytes(row.digest) not in (None, row.size_bytes):
            yield f"changed: size of artefact {row.digest}"
    used = set(session.scalars(select(Version.model)))
    for name in session.scalars(select(Model.name).order_by(Model.name)):
        if name not in used:
            yield f"added: model {name}, which has no version"


def _called(version: Version) -> str:
    return f"{version.model}:{version.number} ({version.digest[:12]})"


def _differences(
    expected: Mapping[KeyT, object],
    *,
    present: Mapping[KeyT, object],
    name: Callable[[KeyT], str],
) -> Iterator[str]:
    for key, value in expected.items():
        if key not in present:
            yield f"missing: {name(key)}"
        elif present[key] != value:
            yield f"changed: {name(key)}"
    for key in present:
        if key not in expected:
            yield f"added: {name(key)}"
