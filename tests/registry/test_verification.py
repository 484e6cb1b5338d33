import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry.factory import make_evidence, make_files
from tests.registry.raw import Raw

from civicbench.core.errors import IntegrityError
from civicbench.core.workspace import Workspace
from civicbench.registry.chain import event_digest
from civicbench.registry.registry import Registry
from civicbench.registry.tables import Event

VERSIONS = 3
on_postgresql = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """A registry with versions m:1 to m:3."""
    for seed in range(VERSIONS):
        evidence, measurements = make_evidence(seed, model_name="m")
        files = make_files(tmp_path / "files", seed=seed)
        registry.register(evidence, measurements=measurements, files=files)
    return registry


@pytest.fixture
def tamper(filled: Registry, raw: Raw) -> Raw:
    """The database as its owner could open it, with the triggers out of the way."""
    raw.disarm()
    return raw


def findings(registry: Registry) -> list[str]:
    with pytest.raises(IntegrityError, match="not what was registered") as caught:
        registry.verify()
    return [line[4:] for line in caught.value.problem.splitlines() if line.startswith("  - ")]


def test_a_sound_registry_is_counted(filled: Registry) -> None:
    sound = filled.verify()
    assert (sound.events, sound.versions, sound.files) == (VERSIONS, VERSIONS, 4 * VERSIONS)
    assert sound.head == filled.head()
    assert sound.leftovers == ()


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE events SET actor = 'someone' WHERE sequence = 2", "changed: event 2"),
        ("UPDATE events SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 1", "event 1"),
        ("UPDATE events SET detail = replace(detail, 'true', 'false')", "changed: event 3"),
        (f"UPDATE events SET digest = '{7:064d}' WHERE sequence = 2", "changed: event 2"),
        ("DELETE FROM events WHERE sequence = 2", "missing: event 2"),
        ("DELETE FROM events WHERE sequence < 3", "missing: events 1 to 2"),
        ("DELETE FROM events WHERE sequence = 3", "added: version"),
        ("UPDATE versions SET state = 'draft' WHERE number = 2", "changed: state of m:2"),
        ("UPDATE versions SET gate_passed = false WHERE number = 1", "changed: gate_passed of m:1"),
        ("UPDATE versions SET recipe = 'x' WHERE number = 1", "changed: recipe of m:1"),
        ("UPDATE versions SET number = 9 WHERE number = 3", "changed: number of m:9"),
        ("UPDATE versions SET created_at = '2020-01-01'", "changed: created_at of m:1"),
        ("UPDATE results SET tuned_value = 0.99", "changed: result 1 of m:3"),
        ("UPDATE results SET headline = NOT headline", "changed: result 2 of m:1"),
        ("DELETE FROM results WHERE position = 5", "missing: result 5 of m:2"),
        ("UPDATE results SET position = 6 WHERE position = 5", "added: result 6 of m:2"),
        ("UPDATE verdicts SET passed = true, detail = '{}'", "changed: verdict 1 of m:1"),
        ("DELETE FROM verdicts WHERE position = 1", "missing: verdict 1 of m:1"),
        ("DELETE FROM version_artefacts WHERE path = 'evidence.json'", "file evidence.json of m:1"),
        ("UPDATE version_artefacts SET path = 'x' WHERE path LIKE 'a%g.json'", "added: file x"),
        ("UPDATE artefacts SET media_type = 'text/html'", "changed: media type of artefact"),
        ("UPDATE artefacts SET size_bytes = 1", "changed: size of artefact"),
        (f"INSERT INTO artefacts VALUES ('{1:064d}', 1, 'x')", "missing: the store's file"),
        ("INSERT INTO models VALUES ('n', '2020-01-01')", "added: model n"),
        ("DELETE FROM models", "missing: what a row of versions points to in models"),
        ("DROP INDEX ix_events_subject", "missing: index ix_events_subject"),
        ("CREATE TABLE notes (body TEXT)", "added: table notes"),
    ],
)
def test_a_changed_database_is_found(
    filled: Registry,
    tamper: Raw,
    statement: str,
    finding: str,
) -> None:
    changed = tamper.execute(statement)
    assert changed.rowcount != 0
    tamper.rearm()
    found = findings(filled)
    assert any(finding in line for line in found), found


def test_a_trigger_that_was_taken_away_is_found(filled: Registry, raw: Raw) -> None:
    on = "" if raw.sqlite else " ON events"
    raw.execute(f"DROP TRIGGER events_never_updated{on}")
    assert findings(filled) == ["missing: trigger events_never_updated"]


@on_postgresql
def test_a_trigger_that_was_switched_off_or_emptied_is_found(filled: Registry, raw: Raw) -> None:
    raw.execute("ALTER TABLE events DISABLE TRIGGER events_never_updated")
    raw.execute(
        "CREATE OR REPLACE FUNCTION decisions_by_others() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NEW; END $$"
    )
    assert findings(filled) == [
        "changed: trigger events_never_updated",
        "changed: function decisions_by_others",
    ]


def test_a_version_that_was_taken_away_is_found(
    filled: Registry, tamper: Raw, workspace: Workspace
) -> None:
    digest = filled.show("m:2").digest
    for table in ("results", "verdicts", "version_artefacts"):
        tamper.execute(f"DELETE FROM {table} WHERE version = :digest", digest=digest)
    tamper.execute("DELETE FROM versions WHERE digest = :digest", digest=digest)
    tamper.rearm()
    found = findings(filled)
    assert f"missing: version {digest} (event 2)" in found
    assert any(line.startswith("added: artefact") for line in found)


def rewrite_event(registry: Registry, raw: Raw, *, sequence: int, previous: str | None) -> str:
    """Change an event's actor and give it the digest that fits; return that digest."""
    [event] = [e for v in registry.list_versions() for e in registry.show(v.digest).events
               if e.sequence == sequence]  # fmt: skip
    changed = Event(**event.model_dump() | {"actor": "someone else"})
    changed.previous = previous or event.previous
    digest = event_digest(changed)
    raw.execute(
        "UPDATE events SET actor = 'someone else', previous = :previous, digest = :digest"
        " WHERE sequence = :sequence",
        previous=changed.previous,
        digest=digest,
        sequence=sequence,
    )
    return digest


def test_an_event_that_was_rewritten_with_its_digest_is_found_by_the_next(
    filled: Registry, tamper: Raw, workspace: Workspace
) -> None:
    rewrite_event(filled, tamper, sequence=2, previous=None)
    tamper.rearm()
    assert "changed: event 3 does not follow from the one before" in findings(filled)


def test_a_log_that_was_rewritten_to_its_end_is_found_by_its_head(
    filled: Registry, tamper: Raw, workspace: Workspace
) -> None:
    head = filled.head()
    rewritten = rewrite_event(filled, tamper, sequence=2, previous=None)
    rewrite_event(filled, tamper, sequence=3, previous=rewritten)
    tamper.execute(
        "UPDATE version_makers SET account = 'someone else'"
        " WHERE sequence > 1 AND did = 'registered'"
    )
    tamper.rearm()
    # Whole in itself, as it must be; a head kept elsewhere tells.
    assert filled.verify().head != head


def _change(path: Path) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "word"), [(_change, "changed"), (Path.unlink, "missing")], ids=["changed", "missing"]
)
@pytest.mark.parametrize(
    "name", ["evidence.json", "measurements.json", "adapter/adapter_model.safetensors"]
)
def test_a_damaged_store_is_found(
    filled: Registry, damage: Callable[[Path], None], word: str, name: str
) -> None:
    path = filled.artefact_paths("m:2")[name]
    digest = path.parent.name + path.name
    damage(path)
    assert findings(filled) == [f"{word}: the store's file {digest}"]


def test_a_file_put_into_the_store_by_other_means_is_found(
    filled: Registry, workspace: Workspace
) -> None:
    (workspace.store / "readme.txt").write_text("hello")
    assert findings(filled) == ["added: readme.txt in the store"]


def test_evidence_exchanged_for_other_evidence_is_found(
    filled: Registry, tamper: Raw, workspace: Workspace
) -> None:
    path = filled.artefact_paths("m:1")["evidence.json"]
    forged = json.loads(path.read_text())
    forged["gate"]["rules"][0]["passed"] = False
    content = json.dumps(forged).encode()
    digest = hashlib.sha256(content).hexdigest()
    (workspace.store / digest[:2]).mkdir(exist_ok=True)
    (workspace.store / digest[:2] / digest[2:]).write_bytes(content)
    tamper.execute(
        "INSERT INTO artefacts VALUES (:digest, :size, 'application/json')",
        digest=digest,
        size=len(content),
    )
    tamper.execute(
        "UPDATE version_artefacts SET digest = :digest WHERE path = 'evidence.json'"
        " AND version = (SELECT digest FROM versions WHERE number = 1)",
        digest=digest,
    )
    tamper.rearm()
    found = findings(filled)
    assert any(line.startswith("changed: file evidence.json of m:1") for line in found)


def test_a_row_that_no_release_wrote_is_an_integrity_failure_not_a_crash(
    filled: Registry, tamper: Raw
) -> None:
    tamper.execute("UPDATE versions SET state = 'blessed' WHERE number = 2")
    with pytest.raises(IntegrityError, match="changed by other means") as caught:
        filled.list_versions()
    assert "'blessed'" in str(caught.value)
    with pytest.raises(IntegrityError, match="changed by other means"):
        filled.show("m:2")
    assert filled.show("m:1").state == "evaluated"
