"""Connections to the two databases, set up so that what the registry relies on holds."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from civicbench.core.errors import InvalidInputError, PartAbsentError

BUSY_TIMEOUT_S = 60.0
"""How long a process waits for another one's transaction."""
_WRITES = "civicbench_writes"
_POSTGRESQL_LOCK = 0x636976696362  # the same in every release: one writer among all of them
_ON_CONNECT = (
    f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def parse_url(text: str) -> URL:
    """Return a registry's address.

    Args:
        text: `sqlite:////PATH/registry.db` or `postgresql://USER@HOST/DATABASE`.

    Raises:
        InvalidInputError: It is neither.
    """
    try:
        parsed = make_url(text)
    except ArgumentError:
        # Not quoted: it may hold a password.
        raise InvalidInputError(
            "is not a database address", got=f"{len(text)} characters"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql" and parsed.database:
        return parsed.set(drivername="postgresql+psycopg")
    in_file = parsed.database not in (None, "", ":memory:")
    # What follows a question mark would be dropped, and another file used.
    if backend != "sqlite" or not in_file or "?" in text:
        raise InvalidInputError(
            "a registry is kept in an SQLite file or in a PostgreSQL database",
            got=parsed.render_as_string(hide_password=True),
            remedy="give sqlite:////PATH/registry.db, without a question mark in the path, or "
            "postgresql://USER@HOST/DATABASE",
        )
    return parsed


def is_sqlite(url: URL) -> bool:
    """Return whether an address is an SQLite file's."""
    return url.get_backend_name() == "sqlite"


def database_file(url: URL) -> Path:
    """Return the file of an SQLite address."""
    return Path(url.database or "")


def describe(url: URL) -> str:
    """Return an address for people, without its password."""
    return url.database or "" if is_sqlite(url) else url.render_as_string(hide_password=True)


def make_engine(url: URL) -> Engine:
    """Return an engine.

    Raises:
        PartAbsentError: The driver for PostgreSQL is not installed.
    """
    return _sqlite(url) if is_sqlite(url) else _postgresql(url)


def memory_engine() -> Engine:
    """Return an empty SQLite database in memory, with the same settings."""
    return _sqlite(make_url("sqlite://"))


def writing(engine: Engine) -> Engine:
    """Return the engine for the one writer: its transactions wait for each other."""
    return engine.execution_options(**{_WRITES: True})


def reading(engine: Engine) -> Engine:
    """Return the engine for readers: each transaction sees one moment, and waits for nobody."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(_WRITES, False))


def _sqlite(url: URL) -> Engine:
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
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(url, connect_args={"application_name": "civicbench"})
    except ModuleNotFoundError as error:
        raise PartAbsentError(
            "the driver for PostgreSQL is not installed",
            got=str(error),
            remedy="pip install 'civicbench[postgresql]'",
        ) from None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if _writes(connection):
            # Taken before anything is read, and given back with the transaction's end.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})")

    return engine
