"""What a user can cause at a database, as errors that say what to do."""

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from civicbench.core.errors import (
    CivicbenchError,
    DiskFullError,
    ExitCode,
    IntegrityError,
    PartAbsentError,
)
from civicbench.registry.engines import BUSY_TIMEOUT_S, describe

_LOST = ("08000", "08003", "08006", "57P01", "57P02", "57P03")
_NOT_LET_IN = ("28000", "28P01", "42501")


class RegistryBusyError(CivicbenchError):
    """Another process held the database for longer than anyone should wait."""


class RuleBrokenError(CivicbenchError):
    """A change that the database itself refuses, whoever asks for it."""

    exit_code = ExitCode.INVALID_USE


@contextlib.contextmanager
def errors_explained(url: URL) -> Iterator[None]:
    """Turn what a user can cause at the database into errors that say what to do.

    Args:
        url: The database, for the message.
    """
    where = describe(url) or "registry"
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
    if isinstance(error, sqlite3.Error):
        return _sqlite(error, where=where)
    from psycopg import Error

    return _postgresql(error, where=where) if isinstance(error, Error) else None


def _sqlite(error: sqlite3.Error, *, where: str) -> CivicbenchError | None:
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _busy(where)
    if name in {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}:
        return _full(error, where=where)
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
    if name == "SQLITE_CONSTRAINT_TRIGGER":
        return _broken(str(error), where=where)
    return None


def _postgresql(error: BaseException, *, where: str) -> CivicbenchError | None:
    from psycopg import Error, OperationalError

    assert isinstance(error, Error)  # noqa: S101 (the caller saw to it)
    state = error.sqlstate
    told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if state == "55P03":
        return _busy(where)
    if state == "53100":
        return _full(error, where=where)
    if state == "P0001":
        return _broken(told, where=where)
    if state in _NOT_LET_IN:
        return PartAbsentError(
            "the database does not let this user do that",
            where=where,
            got=told,
            remedy="ask its owner; the password is read from PGPASSWORD or ~/.pgpass",
        )
    if state == "3D000":
        return PartAbsentError(
            "there is no such database",
            where=where,
            got=told,
            remedy="have it made: createdb NAME; then `civicbench registry init`",
        )
    if state in _LOST or (state is None and isinstance(error, OperationalError)):
        return PartAbsentError(
            "the database cannot be reached",
            where=where,
            got=told,
            remedy="see that it runs and that the address is right, then run the same command "
            "again: nothing was half-written",
        )
    return None


def _busy(where: str) -> RegistryBusyError:
    return RegistryBusyError(
        f"another process held the registry for more than {BUSY_TIMEOUT_S:.0f} s",
        where=where,
        remedy="see what it does, then run the same command again",
    )


def _full(error: BaseException, *, where: str) -> DiskFullError:
    return DiskFullError(
        "no space left to write",
        where=where,
        got=str(error),
        remedy="free space, then run the same command again: nothing was half-written",
    )


def _broken(told: str, *, where: str) -> RuleBrokenError:
    return RuleBrokenError("the registry's own rules refuse this", where=where, got=told)
