"""Answers that models gave, kept by what was asked: nothing is asked of a model twice.

A key covers the model (weights, adapter, number format, device, library versions) and the token
ids of the request, so it depends on no name and no file. Each batch is committed whole as soon as
it is computed: a run that is killed goes on with the next batch.
"""

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from civicbench.core.digests import digest_json
from civicbench.core.errors import IntegrityError
from civicbench.core.files import disk_errors_explained

_SYSTEM_ERRORS = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_IOERR_WRITE": errno.EFBIG,
    "SQLITE_IOERR_TRUNCATE": errno.EFBIG,
    "SQLITE_READONLY": errno.EACCES,
    "SQLITE_READONLY_DIRECTORY": errno.EACCES,
    "SQLITE_CANTOPEN": errno.EACCES,
}
_KEYS_A_QUERY = 500
_WAIT_S = 60.0


class ResponseStore:
    """The answers of one model, in a SQLite file that all models of a workspace share.

    Args:
        path: The file; made where it is absent.
        model: Digest of everything about the model that shapes its answers.

    Raises:
        IntegrityError: The file is not such a store.
    """

    def __init__(self, path: Path, *, model: str) -> None:
        self._path = path
        self._model = model
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS responses "
                "(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
            )

    def key(self, kind: str, request: object) -> str:
        """Return the key of a request, given as JSON-ready values."""
        return digest_json([self._model, kind, request])

    def find(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return what is known of some requests, by key."""
        found: dict[str, Any] = {}
        with self._open() as connection:
            for start in range(0, len(keys), _KEYS_A_QUERY):
                some = keys[start : start + _KEYS_A_QUERY]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, value FROM responses WHERE key IN ({marks})"  # noqa: S608
                found |= {key: json.loads(value) for key, value in connection.execute(query, some)}
        return found

    def add(self, responses: Mapping[str, object]) -> None:
        """Keep some answers, all of them or none."""
        with self._open() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO responses VALUES (?, ?)",
                [(key, json.dumps(value)) for key, value in responses.items()],
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with disk_errors_explained(str(self._path)):
            try:
                connection = sqlite3.connect(self._path, timeout=_WAIT_S)
                with contextlib.closing(connection), connection:
                    yield connection
            except sqlite3.DatabaseError as error:
                number = _SYSTEM_ERRORS.get(error.sqlite_errorname)
                if number is not None:
                    raise OSError(number, os.strerror(number), str(self._path)) from error
                raise IntegrityError(
                    "is not the store of answers that it should be",
                    where=str(self._path),
                    got=str(error),
                    remedy="remove it: answers are then asked of the models again",
                ) from None
