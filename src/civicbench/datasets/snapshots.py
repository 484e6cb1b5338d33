"""Finished snapshots: finding one by what a person calls it, and reading its rows as a stream."""

import json
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import read_record
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import Row, SplitName, iterate_split
from civicbench.datasets.snapshot import RECORD_NAME

_SHORTEST_PREFIX = 6


def read_rows(snapshot: Path, split: SplitName, *, start: int, rows: int) -> list[Row]:
    """Return some rows of a split without reading the rest.

    Args:
        snapshot: The snapshot's folder.
        split: The split.
        start: Rows to pass over.
        rows: How many to return at most.
    """
    return list(islice(iterate_split(snapshot, split), start, start + rows))


def find_snapshot(reference: str, *, workspace: Workspace) -> Path:
    """Return the folder of a finished snapshot.

    Args:
        reference: A folder, the beginning of a stage's key, the beginning of a snapshot's digest,
            or a dataset's name, which stands for the one that was built last.
        workspace: Where snapshots stand.

    Raises:
        InvalidInputError: Nothing is called so, or several snapshots are.
    """
    folder = Path(reference)
    if (folder / RECORD_NAME).is_file():
        return folder
    finished = _finished(workspace)
    named = [(path, record) for path, record in finished if record.name == reference]
    if named:
        return max(named, key=lambda entry: (entry[0].stat().st_mtime_ns, entry[0].name))[0]
    found = {
        path
        for path, record in finished
        if len(reference) >= _SHORTEST_PREFIX
        and (path.name.startswith(reference) or record.digest.startswith(reference))
    }
    if len(found) == 1:
        return found.pop()
    known = sorted({f"{record.name} ({path.name[:12]})" for path, record in finished})
    raise InvalidInputError(
        "names several snapshots" if found else "names no finished snapshot",
        where=reference,
        got=", ".join(sorted(path.name for path in found)) or None,
        remedy=f"known: {', '.join(known)}"
        if known
        else "build one: `civicbench datasets build NAME`",
    )


def _finished(workspace: Workspace) -> list[tuple[Path, SnapshotRecord]]:
    if not workspace.snapshots.is_dir():
        return []
    found = []
    for path in sorted(workspace.snapshots.iterdir()):
        if not path.name.endswith(".partial") and (path / RECORD_NAME).is_file():
            try:
                found.append((path, read_record(path)))
            except (ValidationError, json.JSONDecodeError):
                # Written by another release: it is found by its folder alone.
                continue
    return found


def find_snapshot_by_digest(digest: str, *, workspace: Workspace) -> Path | None:
    """Return the folder of a finished snapshot with that content, or None where none stands."""
    found = (path for path, record in _finished(workspace) if record.digest == digest)
    return next(found, None)
