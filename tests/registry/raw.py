"""A registry's database as anyone could open it, past the registry's own code."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, create_engine, make_url, text
from sqlalchemy.exc import DatabaseError

from civicbench.core.workspace import Workspace

REFUSED = DatabaseError
"""What a database raises when it refuses a statement."""


class Raw:
    """A connection in which each statement is its own transaction."""

    def __init__(self, workspace: Workspace) -> None:
        url = make_url(workspace.registry_url)
        self.sqlite = url.get_backend_name() == "sqlite"
        if not self.sqlite:
            url = url.set(drivername="postgresql+psycopg")
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self.connection = self._engine.connect()
        self._kept: list[str] = []

    def execute(self, statement: str, **values: object) -> CursorResult[Any]:
        return self.connection.execute(text(statement), values)

    def rows(self, statement: str, **values: object) -> Sequence[Any]:
        return [tuple(row) for row in self.execute(statement, **values)]

    def columns(self, table: str) -> list[str]:
        return list(self.execute(f"SELECT * FROM {table} LIMIT 0").keys())

    def disarm(self) -> None:
        """Put triggers and foreign keys out of the way, as the database's owner can."""
        if not self.sqlite:
            self.execute("SET session_replication_role = replica")
            return
        self.execute("PRAGMA foreign_keys = OFF")
        kept = self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        for name, sql in kept:
            self.execute(f"DROP TRIGGER {name}")
            self._kept.append(sql)

    def rearm(self) -> None:
        """Make the shape whole again, so that only the rows differ."""
        if not self.sqlite:
            self.execute("SET session_replication_role = origin")
        for sql in self._kept:
            self.connection.exec_driver_sql(sql)
        self._kept = []

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()
