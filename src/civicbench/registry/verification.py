"""Walking chain, database and store, and naming what was changed, missing or added."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from civicbench.core.errors import IntegrityError
from civicbench.registry import rows
from civicbench.registry.bindings import EVIDENCE_NAME
from civicbench.registry.chain import chain_head, walk_chain
from civicbench.registry.database import Database, memory_engine, upgrade
from civicbench.registry.evidence import Evidence
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
_SHAPE = (
    "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
)


def verify(database: Database, *, store: Store) -> Verification:
    """Check a whole registry against itself.

    The log's links are recomputed; every row is compared with what its event and its evidence
    say; every file is read. A log that was cut at its end together with the rows it made is
    whole in itself: only a chain head kept elsewhere shows that.

    Returns:
        What a sound registry holds.

    Raises:
        IntegrityError: With one line for each thing that was changed, is missing, or was added.
    """
    with database.read() as session:
        events = list(session.scalars(select(Event).order_by(Event.sequence)))
        versions = list(session.scalars(select(Version).order_by(Version.model, Version.number)))
        files = set(session.scalars(select(Artefact.digest)))
        head = chain_head(session)
        found = store.verify(files)
        found_wrong = [
            *_shape(session.connection()),
            *walk_chain(events),
            *_store(found),
            *_registrations(session, events=events, versions=versions, store=store, found=found),
            *_belongings(session, store=store),
        ]
    if found_wrong:
        problems = list(dict.fromkeys(found_wrong))
        count = "1 finding" if len(problems) == 1 else f"{len(problems)} findings"
        raise IntegrityError(
            f"the registry is not what was registered: {count}\n"
            + "\n".join(f"  - {problem}" for problem in problems),
            where=str(database.engine.url.database),
            remedy="restore database and store from a backup, and find out who changed them",
        )
    return Verification(
        events=len(events),
        versions=len(versions),
        files=len(files),
        head=head,
        leftovers=found.leftovers,
    )


def _shape(connection: Connection) -> Iterator[str]:
    """Compare tables, indices and triggers with what the migrations make."""
    with memory_engine().connect() as fresh:
        upgrade(fresh)
        expected = {(kind, name): sql for kind, name, sql in fresh.execute(text(_SHAPE))}
    present = {(kind, name): sql for kind, name, sql in connection.execute(text(_SHAPE))}
    yield from _differences(expected, present=present, name=lambda key: f"{key[0]} {key[1]}")
    for row in connection.execute(text("PRAGMA integrity_check")).scalars():
        if row != "ok":
            yield f"changed: the database file: {row}"
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"missing: what a row of {row[0]} points to in {row[2]}"


def _store(found: StoreFindings) -> Iterator[str]:
    yield from (f"changed: the store's file {digest}" for digest in found.changed)
    yield from (f"missing: the store's file {digest}" for digest in found.missing)
    yield from (f"added: {path} in the store" for path in found.foreign)


def _registrations(
    session: Session,
    *,
    events: list[Event],
    versions: list[Version],
    store: Store,
    found: StoreFindings,
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
        yield from _against_event(session, version=version, event=event)
        if version.digest not in unreadable:
            yield from _against_evidence(session, version=version, event=event, store=store)


def _against_event(session: Session, *, version: Version, event: Event) -> Iterator[str]:
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
    # The state's own events come with decisions; until then it is as registered.
    expected = detail.model_dump(exclude={"artefacts"}) | {"created_at": event.at}
    for column, value in expected.items():
        if getattr(version, column) != value:
            yield f"changed: {column} of {whose}"


def _against_evidence(
    session: Session, *, version: Version, event: Event, store: Store
) -> Iterator[str]:
    whose = _called(version)
    place = store.place(version.digest)
    if not place.is_file():
        yield f"missing: {EVIDENCE_NAME} of {whose}"
        return
    try:
        evidence = Evidence.model_validate_json(place.read_bytes())
    except ValidationError:
        yield f"changed: {EVIDENCE_NAME} of {whose} is not evidence"
        return
    made = rows.version_values(evidence, number=version.number, created_at=event.at)
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
        place = store.place(row.digest)
        if place.is_file() and place.stat().st_size != row.size_bytes:
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
