"""Opening the registry's database: connections, transactions, migrations."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from civicbench.core.errors import (
    CivicbenchError,
    DiskFullError,
    IntegrityError,
    InvalidInputError,
    PartAbsentError,
)
from civicbench.core.files import disk_errors_explained
from civicbench.core.locks import exclusive
from civicbench.core.progress import Reporter

REVISIONS = ("0001", "0002")
"""The migrations that this code knows, oldest first; a test holds them to the scripts."""
BUSY_TIMEOUT_S = 60.0
"""How long a process waits for another one's transaction."""
_WRITES = "civicbench_writes"
_ON_CONNECT = (
    f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class RegistryBusyError(CivicbenchError):
    """Another process held the database for longer than anyone should wait."""


class Database:
    """An open registry database.

    Args:
        engine: Made by `open_registry`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one moment of the registry."""
        with errors_explained(self.engine.url), Session(self.engine) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session that is the only writer until its block ends, and commits then.

        Raises:
            RegistryBusyError: Another writer did not finish within `BUSY_TIMEOUT_S`.
            DiskFullError: No space; nothing is written.
        """
        with errors_explained(self.engine.url), Session(self._writer) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def registry_exists(url: str) -> bool:
    """Return whether a registry was initialised at that address.

    A file that holds no table (left by an interrupted first start) counts as none.
    """
    parsed = _parse(url)
    if not _file(parsed).is_file():
        return False
    engine = _engine(parsed)
    try:
        with errors_explained(parsed), engine.connect() as connection:
            return bool(inspect(connection).get_table_names())
    finally:
        engine.dispose()


def open_registry(url: str) -> Database:
    """Open a registry whose database has exactly this code's shape.

    Args:
        url: An SQLAlchemy URL (`sqlite:////path/registry.db`).

    Raises:
        PartAbsentError: There is none yet.
        IntegrityError: It was made by a newer release, by an older one, or by something else.
    """
    parsed = _parse(url)
    if not registry_exists(url):
        raise PartAbsentError(
            "there is no registry yet",
            where=str(_file(parsed)),
            remedy="`civicbench run RECIPE` makes it and registers a first version",
        )
    database = Database(_engine(parsed))
    try:
        with errors_explained(parsed), database.engine.connect() as connection:
            revision = _known_revision(connection)
        if revision != REVISIONS[-1]:
            raise IntegrityError(
                "the registry was made by an older release and has to be upgraded first",
                where=str(_file(parsed)),
                got=f"revision {revision}; this release needs {REVISIONS[-1]}",
                remedy="back it up, then upgrade it",
            )
    except BaseException:
        database.close()
        raise
    return database


def initialise(url: str, *, lock: Path, reporter: Reporter) -> None:
    """Make the registry where absent, or bring an older one to this code's shape.

    All scripts run in one transaction: a killed process leaves the shape that was there before.

    Args:
        url: An SQLAlchemy URL.
        lock: The lock file that keeps two processes from doing it at once.
        reporter: Told when another process is waited for.

    Raises:
        IntegrityError: It was made by a newer release, or by something else.
        DiskFullError: No space.
    """
    parsed = _parse(url)
    path = _file(parsed)
    with exclusive(lock, what="the registry's database", reporter=reporter):
        with disk_errors_explained(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = _engine(parsed)
        try:
            writer = engine.execution_options(**{_WRITES: True})
            with errors_explained(parsed), writer.begin() as connection:
                if inspect(connection).get_table_names():
                    _known_revision(connection)
                upgrade(connection)
        finally:
            engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run the migrations that a database lacks, in the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "civicbench.registry:migrations")
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def memory_engine() -> Engine:
    """Return an empty database in memory, with the same settings, to compare shapes with."""
    return _engine(make_url("sqlite://"))


@contextlib.contextmanager
def errors_explained(url: URL) -> Iterator[None]:
    """Turn what a user can cause at the database into errors that say what to do.

    Args:
        url: The database, for the message.
    """
    where = url.database or "registry"
    try:
        yield
    except DBAPIError as error:
        explained = _explain(error.orig, where=where)
        if explained is None:
            raise
        raise explained from error
    except sqlite3.Error as error:
        explained = _explain(error, where=where)
        if explained is None:
            raise
        raise explained from error


def _explain(error: BaseException | None, *, where: str) -> CivicbenchError | None:
    if not isinstance(error, sqlite3.Error):
        return None
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return RegistryBusyError(
            f"another process held the registry for more than {BUSY_TIMEOUT_S:.0f} s",
            where=where,
            remedy="see what it does, then run the same command again",
        )
    if name in {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}:
        return DiskFullError(
            "no space left to write",
            where=where,
            got=str(error),
            remedy="free space, then run the same command again: nothing was half-written",
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return PartAbsentError(
            "may not be opened or written",
            where=where,
            got=str(error),
            remedy="set CIVICBENCH_HOME to a folder you may write to",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(
            "is damaged, or no database",
            where=where,
            got=str(error),
            remedy="restore it from a backup",
        )
    return None


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInputError("is not a database address", got=repr(url)) from None
    in_file = parsed.database not in (None, "", ":memory:")
    # What follows a question mark would be dropped, and another file used.
    if parsed.get_backend_name() != "sqlite" or not in_file or "?" in url:
        raise InvalidInputError(
            "this release keeps its registry in an SQLite file",
            got=parsed.render_as_string(hide_password=True),
            remedy="give sqlite:////PATH/registry.db, without a question mark in the path",
        )
    return parsed


def _file(url: URL) -> Path:
    return Path(url.database or "")


def _engine(url: URL) -> Engine:
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Transactions begin where _begin says, never where the driver guesses.
        connection.isolation_level = None
        for statement in _ON_CONNECT:
            connection.execute(statement)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the write lock at once: two that read first would dead-lock later.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _known_revision(connection: Connection) -> str:
    """Return the database's revision, or refuse one that this code does not know."""
    where = connection.engine.url.database
    if not inspect(connection).has_table("alembic_version"):
        raise IntegrityError(
            "is a database of something else, not a registry",
            where=where,
            remedy="name another file",
        )
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(found) != 1 or found[0] not in REVISIONS:
        raise IntegrityError(
            "the registry was made by a newer release of Civicbench",
            where=where,
            got=f"revision {', '.join(found) or 'none'}; this release knows up to {REVISIONS[-1]}",
            remedy="install that release or a later one",
        )
    return str(found[0])
