import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.registry.factory import make_evidence, make_files

from civicbench.core.digests import digest_json
from civicbench.core.errors import IntegrityError
from civicbench.core.workspace import Workspace
from civicbench.registry.database import memory_engine, upgrade
from civicbench.registry.registry import Registry

VERSIONS = 3


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """A registry with versions m:1 to m:3."""
    for seed in range(VERSIONS):
        evidence, measurements = make_evidence(seed, model_name="m")
        files = make_files(tmp_path / "files", seed=seed)
        registry.register(evidence, measurements=measurements, files=files)
    return registry


@pytest.fixture
def tamper(workspace: Workspace, filled: Registry) -> Iterator[sqlite3.Connection]:
    """The database as its owner could open it, with the triggers out of the way."""
    connection = sqlite3.connect(workspace.home / "registry.db", isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    kept = triggers.fetchall()
    for name, _ in kept:
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    connection.close()


def put_triggers_back(connection: sqlite3.Connection, workspace: Workspace) -> None:
    """Make the shape whole again, so that only the rows differ."""
    with memory_engine().connect() as fresh:
        upgrade(fresh)
        wanted = fresh.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        for (sql,) in wanted:
            connection.execute(sql)


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
        ("UPDATE events SET digest = printf('%064d', 7) WHERE sequence = 2", "changed: event 2"),
        ("DELETE FROM events WHERE sequence = 2", "missing: event 2"),
        ("DELETE FROM events WHERE sequence < 3", "missing: events 1 to 2"),
        ("DELETE FROM events WHERE sequence = 3", "added: version"),
        ("UPDATE versions SET state = 'draft' WHERE number = 2", "changed: state of m:2"),
        ("UPDATE versions SET gate_passed = 0 WHERE number = 1", "changed: gate_passed of m:1"),
        ("UPDATE versions SET recipe = 'x' WHERE number = 1", "changed: recipe of m:1"),
        ("UPDATE versions SET number = 9 WHERE number = 3", "changed: number of m:9"),
        ("UPDATE versions SET created_at = '2020-01-01'", "changed: created_at of m:1"),
        ("UPDATE results SET tuned_value = 0.99", "changed: result 1 of m:3"),
        ("UPDATE results SET headline = 1 - headline", "changed: result 2 of m:1"),
        ("DELETE FROM results WHERE position = 5", "missing: result 5 of m:2"),
        ("UPDATE results SET position = 6 WHERE position = 5", "added: result 6 of m:2"),
        ("UPDATE verdicts SET passed = 1, detail = '{}'", "changed: verdict 1 of m:1"),
        ("DELETE FROM verdicts WHERE position = 1", "missing: verdict 1 of m:1"),
        ("DELETE FROM version_artefacts WHERE path = 'evidence.json'", "file evidence.json of m:1"),
        ("UPDATE version_artefacts SET path = 'x' WHERE path LIKE 'a%g.json'", "added: file x"),
        ("UPDATE artefacts SET media_type = 'text/html'", "changed: media type of artefact"),
        ("UPDATE artefacts SET size_bytes = 1", "changed: size of artefact"),
        ("INSERT INTO artefacts VALUES (printf('%064d', 1), 1, 'x')", "missing: the store's file"),
        ("INSERT INTO models VALUES ('n', '2020-01-01')", "added: model n"),
        ("DELETE FROM models", "missing: what a row of versions points to in models"),
        ("DROP INDEX ix_events_subject", "missing: index ix_events_subject"),
        ("CREATE TABLE notes (body TEXT)", "added: table notes"),
    ],
)
def test_a_changed_database_is_found(
    filled: Registry,
    tamper: sqlite3.Connection,
    workspace: Workspace,
    statement: str,
    finding: str,
) -> None:
    tamper.execute("PRAGMA foreign_keys = OFF")
    changed = tamper.execute(statement)
    assert changed.rowcount != 0
    put_triggers_back(tamper, workspace)
    found = findings(filled)
    assert any(finding in line for line in found), found


def test_a_trigger_that_was_taken_away_is_found(
    filled: Registry, tamper: sqlite3.Connection
) -> None:
    found = findings(filled)
    assert "missing: trigger events_never_updated" in found
    assert all(line.startswith("missing: trigger") for line in found)


def test_a_version_that_was_taken_away_is_found(
    filled: Registry, tamper: sqlite3.Connection, workspace: Workspace
) -> None:
    digest = filled.show("m:2").digest
    for table in ("results", "verdicts", "version_artefacts"):
        tamper.execute(f"DELETE FROM {table} WHERE version = ?", (digest,))
    tamper.execute("DELETE FROM versions WHERE digest = ?", (digest,))
    put_triggers_back(tamper, workspace)
    found = findings(filled)
    assert f"missing: version {digest} (event 2)" in found
    assert any(line.startswith("added: artefact") for line in found)


def rewrite_event(connection: sqlite3.Connection, *, sequence: int, previous: str | None) -> str:
    """Change an event's actor and give it the digest that fits; return that digest."""
    names = ("sequence", "at", "actor", "kind", "subject", "detail", "previous")
    row = connection.execute("SELECT * FROM events WHERE sequence = ?", (sequence,)).fetchone()
    event = dict(zip(names, row, strict=False))
    event["at"] = event["at"].replace(" ", "T") + "+00:00"
    event["actor"] = "someone else"
    event["previous"] = previous or event["previous"]
    digest = digest_json(event)
    connection.execute(
        "UPDATE events SET actor = ?, previous = ?, digest = ? WHERE sequence = ?",
        (event["actor"], event["previous"], digest, sequence),
    )
    return digest


def test_an_event_that_was_rewritten_with_its_digest_is_found_by_the_next(
    filled: Registry, tamper: sqlite3.Connection, workspace: Workspace
) -> None:
    rewrite_event(tamper, sequence=2, previous=None)
    put_triggers_back(tamper, workspace)
    assert findings(filled) == ["changed: event 3 does not follow from the one before"]


def test_a_log_that_was_rewritten_to_its_end_is_found_by_its_head(
    filled: Registry, tamper: sqlite3.Connection, workspace: Workspace
) -> None:
    head = filled.head()
    rewritten = rewrite_event(tamper, sequence=2, previous=None)
    rewrite_event(tamper, sequence=3, previous=rewritten)
    put_triggers_back(tamper, workspace)
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
    filled: Registry, tamper: sqlite3.Connection, workspace: Workspace
) -> None:
    path = filled.artefact_paths("m:1")["evidence.json"]
    forged = json.loads(path.read_text())
    forged["gate"]["rules"][0]["passed"] = False
    content = json.dumps(forged).encode()
    digest = hashlib.sha256(content).hexdigest()
    (workspace.store / digest[:2]).mkdir(exist_ok=True)
    (workspace.store / digest[:2] / digest[2:]).write_bytes(content)
    tamper.execute("PRAGMA foreign_keys = OFF")
    tamper.execute(
        "INSERT INTO artefacts VALUES (?, ?, 'application/json')", (digest, len(content))
    )
    tamper.execute(
        "UPDATE version_artefacts SET digest = ? WHERE path = 'evidence.json'"
        " AND version = (SELECT digest FROM versions WHERE number = 1)",
        (digest,),
    )
    put_triggers_back(tamper, workspace)
    found = findings(filled)
    assert any(line.startswith("changed: file evidence.json of m:1") for line in found)


def test_a_row_that_no_release_wrote_is_an_integrity_failure_not_a_crash(
    filled: Registry, tamper: sqlite3.Connection
) -> None:
    tamper.execute("UPDATE versions SET state = 'blessed' WHERE number = 2")
    with pytest.raises(IntegrityError, match="changed by other means") as caught:
        filled.list_versions()
    assert "'blessed'" in str(caught.value)
    with pytest.raises(IntegrityError, match="changed by other means"):
        filled.show("m:2")
    assert filled.show("m:1").state == "evaluated"
