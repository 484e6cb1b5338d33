"""Opening the registry's database: connections, transactions, migrations."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.orm import Session

from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.files import disk_errors_explained
from civicbench.core.locks import exclusive
from civicbench.core.progress import Reporter
from civicbench.registry.database_errors import errors_explained
from civicbench.registry.engines import (
    database_file,
    describe,
    is_sqlite,
    make_engine,
    parse_url,
    reading,
    writing,
)

REVISIONS = ("0001", "0002")
"""The migrations that this code knows, oldest first; a test holds them to the scripts."""


class Database:
    """An open registry database.

    Args:
        engine: Made by `open_registry`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = reading(engine)
        self._writer = writing(engine)

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one moment of the registry."""
        with errors_explained(self.engine.url), Session(self._reader) as session, session.begin():
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

    @contextlib.contextmanager
    def check(self) -> Iterator[Connection]:
        """Yield a connection whose transaction is undone at the end: nothing it does stays."""
        with errors_explained(self.engine.url), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def registry_exists(url: str) -> bool:
    """Return whether a registry was initialised at that address.

    A database that holds no table (left by an interrupted first start) counts as none.
    """
    parsed = parse_url(url)
    if is_sqlite(parsed) and not database_file(parsed).is_file():
        return False
    engine = make_engine(parsed)
    try:
        with errors_explained(parsed), engine.connect() as connection:
            return bool(inspect(connection).get_table_names())
    finally:
        engine.dispose()


def open_registry(url: str) -> Database:
    """Open a registry whose database has exactly this code's shape.

    Args:
        url: An SQLAlchemy URL (`sqlite:////path/registry.db`, `postgresql://host/database`).

    Raises:
        PartAbsentError: There is none yet, or the database cannot be reached.
        IntegrityError: It was made by a newer release, by an older one, or by something else.
    """
    parsed = parse_url(url)
    where = describe(parsed)
    if not registry_exists(url):
        raise PartAbsentError(
            "there is no registry yet",
            where=where,
            remedy="`civicbench run RECIPE` makes it and registers a first version; "
            "`civicbench registry init` makes it empty",
        )
    database = Database(make_engine(parsed))
    try:
        with errors_explained(parsed), database.engine.connect() as connection:
            revision = _known_revision(connection)
        if revision != REVISIONS[-1]:
            raise IntegrityError(
                "the registry was made by an older release and has to be upgraded first",
                where=where,
                got=f"revision {revision}; this release needs {REVISIONS[-1]}",
                remedy="back it up, then upgrade it: `civicbench registry upgrade`",
            )
    except BaseException:
        database.close()
        raise
    return database


def revision_of(url: str) -> str:
    """Return the revision of a registry that stands, older ones too.

    Raises:
        IntegrityError: It was made by a newer release, or by something else.
    """
    parsed = parse_url(url)
    engine = make_engine(parsed)
    try:
        with errors_explained(parsed), engine.connect() as connection:
            return _known_revision(connection)
    finally:
        engine.dispose()


def initialise(url: str, *, lock: Path, reporter: Reporter) -> None:
    """Make the registry where absent, or bring an older one to this code's shape.

    All scripts run in one transaction: a killed process leaves the shape that was there before.

    Args:
        url: An SQLAlchemy URL.
        lock: The lock file that keeps two processes of this machine from doing it at once; at
            PostgreSQL, the one writer's lock keeps those of others from it.
        reporter: Told when another process is waited for.

    Raises:
        IntegrityError: It was made by a newer release, or by something else.
        DiskFullError: No space.
    """
    parsed = parse_url(url)
    with exclusive(lock, what="the registry's database", reporter=reporter):
        if is_sqlite(parsed):
            path = database_file(parsed)
            with disk_errors_explained(str(path)):
                path.parent.mkdir(parents=True, exist_ok=True)
        engine = make_engine(parsed)
        try:
            with errors_explained(parsed), writing(engine).begin() as connection:
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


def _known_revision(connection: Connection) -> str:
    """Return the database's revision, or refuse one that this code does not know."""
    where = describe(connection.engine.url)
    if not inspect(connection).has_table("alembic_version"):
        raise IntegrityError(
            "is a database of something else, not a registry",
            where=where,
            remedy="name another database",
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
