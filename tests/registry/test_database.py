import resource
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from tests.registry.factory import make_evidence, make_files
from tests.registry.raw import REFUSED, Raw

from civicbench.core.errors import DiskFullError, IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry import database as database_module
from civicbench.registry import engines
from civicbench.registry.database import (
    REVISIONS,
    initialise,
    open_registry,
    registry_exists,
)
from civicbench.registry.database_errors import RegistryBusyError
from civicbench.registry.engines import make_engine, parse_url
from civicbench.registry.registry import Registry
from civicbench.registry.tables import Table
from civicbench.registry.versions import VersionSummary

QUIET = Reporter(live=False)
RULE = r"(IntegrityError|RaiseException)\) \w+: "  # a trigger's words, not a mistake in the SQL
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_ON_CONNECT", ("PRAGMA busy_timeout = 1",))
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.05)


def begin(workspace: Workspace) -> None:
    initialise(workspace.registry_url, lock=workspace.locks / "registry.lock", reporter=QUIET)


def test_the_migrations_make_the_tables_that_the_code_uses(
    registry: Registry, workspace: Workspace
) -> None:
    with make_engine(parse_url(workspace.registry_url)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_the_known_revisions_are_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "civicbench.registry:migrations")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == REVISIONS


def test_initialising_twice_changes_nothing(registry: Registry, workspace: Workspace) -> None:
    before = registry.verify()
    begin(workspace)
    assert registry.verify() == before


@on_sqlite
def test_connections_have_what_the_registry_relies_on(
    registry: Registry, workspace: Workspace
) -> None:
    database = open_registry(workspace.registry_url)
    with database.engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("foreign_keys") == 1
        assert pragma("synchronous") == 2
        assert pragma("busy_timeout") == 60_000
    database.close()


def test_no_row_is_ever_updated_deleted_or_replaced(lived: Registry, raw: Raw) -> None:
    for table in Table.metadata.tables:
        before = raw.rows(f"SELECT * FROM {table}")
        assert before, table
        statements = [f"UPDATE {table} SET {column} = {column}" for column in raw.columns(table)]
        if table == "versions":
            statements.remove("UPDATE versions SET state = state")
            statements.append("UPDATE versions SET state = 'live' WHERE state <> 'live'")
        statements += [f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM {table}"]
        if raw.sqlite:
            statements.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        else:
            statements.append(f"TRUNCATE {table} CASCADE")
        for statement in statements:
            with pytest.raises(REFUSED, match=RULE):
                raw.execute(statement)
        assert raw.rows(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize(
    ("sequence", "previous"),
    [(1, "last"), (3, "last"), (0, "last"), (-1, "last"), (2, "0" * 64)],
)
def test_an_event_only_ever_follows_the_last(
    version: VersionSummary, raw: Raw, sequence: int, previous: str
) -> None:
    [(last,)] = raw.rows("SELECT digest FROM events")
    with pytest.raises(REFUSED, match=r"in order|written once"):
        raw.execute(
            "INSERT INTO events SELECT CAST(:sequence AS integer), at, actor, kind, subject,"
            " detail, CAST(:previous AS varchar), 'x' FROM events",
            sequence=sequence,
            previous=last if previous == "last" else previous,
        )


def test_a_newer_registry_is_left_alone(registry: Registry, workspace: Workspace, raw: Raw) -> None:
    raw.execute("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(IntegrityError, match="newer release") as caught:
        open_registry(workspace.registry_url)
    assert "0999" in str(caught.value)
    with pytest.raises(IntegrityError, match="newer release"):
        begin(workspace)


def test_an_older_registry_is_upgraded_by_a_person_only(
    registry: Registry, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "REVISIONS", (*REVISIONS, "0999"))
    with pytest.raises(IntegrityError, match="older release"):
        Registry.open_or_initialise(workspace, reporter=QUIET)


def test_a_database_of_something_else_is_left_alone(bare_workspace: Workspace) -> None:
    workspace = bare_workspace
    workspace.home.mkdir()
    other = Raw(workspace)
    other.execute("CREATE TABLE letters (body TEXT)")
    other.close()
    with pytest.raises(IntegrityError, match="not a registry"):
        open_registry(workspace.registry_url)
    with pytest.raises(IntegrityError, match="not a registry"):
        begin(workspace)


@on_sqlite
def test_a_file_that_is_no_database_is_refused(workspace: Workspace) -> None:
    workspace.home.mkdir()
    (workspace.home / "registry.db").write_bytes(b"not a database, only text. " * 100)
    with pytest.raises(IntegrityError, match="damaged, or no database"):
        Registry.open(workspace)


@on_sqlite
def test_an_interrupted_first_start_is_begun_again(workspace: Workspace) -> None:
    workspace.home.mkdir()
    (workspace.home / "registry.db").touch()
    assert not registry_exists(workspace.registry_url)
    with Registry.open_or_initialise(workspace, reporter=QUIET) as registry:
        assert registry.verify().events == 0


@pytest.mark.parametrize(
    "url",
    [
        *("", "not a url", "sqlite://", "sqlite:///:memory:", "postgresql://host", "mysql://h/d"),
        "sqlite:////srv/a?b/registry.db",
    ],
)
def test_an_address_that_is_no_registrys_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        open_registry(url)


def test_a_writer_is_the_only_one_from_its_first_moment(
    registry: Registry, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = open_registry(workspace.registry_url)
    wait_for_nobody(monkeypatch)
    two = open_registry(workspace.registry_url)
    with one.write() as session:
        session.connection()
        with pytest.raises(RegistryBusyError, match="another process"), two.write() as other:
            other.connection()
        with two.read() as reader:  # readers never wait
            assert reader.scalar(text("SELECT count(*) FROM events")) == 0
    with two.write() as other:
        other.connection()
    one.close()
    two.close()


def test_a_reader_sees_one_moment(registry: Registry, workspace: Workspace, tmp_path: Path) -> None:
    database = open_registry(workspace.registry_url)
    evidence, measurements = make_evidence(0)
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM events")) == 0
        registry.register(evidence, measurements=measurements, files=make_files(tmp_path))
        assert session.scalar(text("SELECT count(*) FROM versions")) == 0
    database.close()


def test_a_writer_that_waits_too_long_is_told_why(
    registry: Registry, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = open_registry(workspace.registry_url)
    wait_for_nobody(monkeypatch)
    evidence, measurements = make_evidence(0)
    files = make_files(tmp_path)
    with Registry.open(workspace) as other:
        with holder.write() as session:
            session.connection()
            with pytest.raises(RegistryBusyError, match="another process"):
                other.register(evidence, measurements=measurements, files=files)
            assert other.list_versions() == ()  # readers never wait
        assert other.register(evidence, measurements=measurements, files=files).number == 1
    holder.close()


@on_sqlite
def test_a_full_disk_at_the_database_registers_nothing(
    registry: Registry, workspace: Workspace, tmp_path: Path
) -> None:
    evidence, measurements = make_evidence(0)
    files = make_files(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The store's files are smaller than this, the transaction's log is not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(DiskFullError):
            registry.register(evidence, measurements=measurements, files=files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert registry.list_versions() == ()
    assert registry.verify().events == 0
    registry.register(evidence, measurements=measurements, files=files)
    assert registry.verify().leftovers == ()


@on_sqlite
def test_a_database_that_cannot_be_opened_is_named(workspace: Workspace) -> None:
    (workspace.home / "registry.db").mkdir(parents=True)
    with pytest.raises(PartAbsentError, match="may not be opened") as caught:
        Registry.open_or_initialise(workspace, reporter=QUIET)
    assert "registry.db" in str(caught.value)


def test_evidence_and_gates_do_without_the_database() -> None:
    code = (
        "import sys, civicbench.registry, civicbench.registry.gates,"
        " civicbench.registry.evidence, civicbench.registry.versions;"
        "print([name for name in ('sqlalchemy', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
