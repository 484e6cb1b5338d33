"""What differs between two snapshots: rows added, removed, changed and moved between splits."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.core.digests import digest_json
from civicbench.datasets.building import read_record
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import SPLITS, Row, SplitName, iterate_split

_KEPT_DIGEST_CHARACTERS = 24


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RowChange(_Part):
    """One row that differs."""

    id: str
    """The row's name."""
    before: str
    """Its split and answers before; empty where it was not there."""
    after: str
    """Its split and answers after; empty where it is not there."""


class SplitChange(_Part):
    """How many rows a split had and has."""

    split: SplitName
    """The split."""
    before: int
    """Rows before."""
    after: int
    """Rows after."""


class StepChange(_Part):
    """How many rows a step let through."""

    step: str
    """The step."""
    before: int | None
    """Rows that it passed on before; None where it was not there."""
    after: int | None
    """Rows that it passes on now; None where it is not there."""


class SnapshotChanges(_Part):
    """Two snapshots side by side."""

    first: str
    """Digest of the first."""
    second: str
    """Digest of the second."""
    same: bool
    """Whether both hold the same bytes."""
    added: int
    """Rows that only the second has."""
    removed: int
    """Rows that only the first has."""
    changed: int
    """Rows of one name with other turns or fields."""
    moved: int
    """Rows that stand in another split."""
    splits: tuple[SplitChange, ...]
    """Rows by split."""
    steps: tuple[StepChange, ...]
    """Rows by step."""
    facts: tuple[RowChange, ...]
    """Statements about the whole that differ: licence, languages, sources."""
    examples: dict[str, tuple[RowChange, ...]]
    """Some rows of each kind: added, removed, changed, moved."""


def compare_snapshots(first: Path, second: Path, *, examples: int) -> SnapshotChanges:
    """Compare two snapshots row by row, by the rows' names.

    Memory grows with the number of rows of the first by about 200 bytes a row, whatever their
    length: of each row, its name and a digest are held.

    Args:
        first: A snapshot's folder.
        second: Another's.
        examples: How many rows of each kind to show at most.

    Raises:
        PartAbsentError: One does not stand there.
    """
    before, after = read_record(first), read_record(second)
    known = {row.id: (split, _digest(row)) for split, row in _rows(first)}
    counts = dict.fromkeys(("added", "removed", "changed", "moved"), 0)
    shown: dict[str, list[tuple[str, str, str]]] = {kind: [] for kind in counts}

    def note(kind: str, name: str, old: str, new: str) -> None:
        counts[kind] += 1
        if len(shown[kind]) < examples:
            shown[kind].append((name, old, new))

    wanted: set[str] = set()
    for split, row in _rows(second):
        old = known.pop(row.id, None)
        text = _show(split, row)
        if old is None:
            note("added", row.id, "", text)
            continue
        kinds = [
            *(["changed"] if old[1] != _digest(row) else []),
            *(["moved"] if old[0] != split else []),
        ]
        for kind in kinds:
            if counts[kind] < examples:
                wanted.add(row.id)
            note(kind, row.id, "", text)
    for name in known:
        if counts["removed"] < examples:
            wanted.add(name)
        note("removed", name, "", "")
    texts = {row.id: _show(split, row) for split, row in _rows(first) if row.id in wanted}
    return SnapshotChanges(
        first=before.digest,
        second=after.digest,
        same=before.digest == after.digest,
        splits=_splits(before, after),
        steps=_steps(before, after),
        facts=_facts(before, after),
        examples={
            kind: tuple(RowChange(id=n, before=texts.get(n, ""), after=new) for n, _, new in rows)
            for kind, rows in shown.items()
        },
        **counts,
    )


def _rows(snapshot: Path) -> Iterator[tuple[SplitName, Row]]:
    for split in SPLITS:
        for row in iterate_split(snapshot, split):
            yield split, row


def _digest(row: Row) -> str:
    return digest_json(row.model_dump(mode="json"))[:_KEPT_DIGEST_CHARACTERS]


def _show(split: SplitName, row: Row) -> str:
    rejected = "" if row.rejected is None else f" | rejected: {row.rejected}"
    return f"{split}: {row.messages[-1].content}{rejected}"


def _splits(before: SnapshotRecord, after: SnapshotRecord) -> tuple[SplitChange, ...]:
    old = {fact.name: fact.rows for fact in before.splits}
    new = {fact.name: fact.rows for fact in after.splits}
    return tuple(
        SplitChange(split=name, before=old.get(name, 0), after=new.get(name, 0)) for name in SPLITS
    )


def _steps(before: SnapshotRecord, after: SnapshotRecord) -> tuple[StepChange, ...]:
    old, new = _numbered(before), _numbered(after)
    return tuple(
        StepChange(step=name, before=old.get(name), after=new.get(name)) for name in {**old, **new}
    )


def _numbered(record: SnapshotRecord) -> dict[str, int]:
    """Return rows out by step; a step that stands again gets a number."""
    found: dict[str, int] = {}
    for step in record.steps:
        times = sum(name == step.name or name.startswith(f"{step.name} (") for name in found)
        found[f"{step.name} ({times + 1})" if times else step.name] = step.rows_out
    return found


def _facts(before: SnapshotRecord, after: SnapshotRecord) -> tuple[RowChange, ...]:
    old, new = _statements(before), _statements(after)
    return tuple(
        RowChange(id=name, before=old.get(name, ""), after=new.get(name, ""))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


def _statements(record: SnapshotRecord) -> dict[str, str]:
    return {
        "name": record.name,
        "licence": record.licence,
        "languages": ", ".join(record.languages),
        "personal data": record.personal_data,
        **{
            f"source {source.name}": f"{source.licence}; sha256 {source.sha256}; {source.rows} rows"
            for source in record.sources
        },
    }
