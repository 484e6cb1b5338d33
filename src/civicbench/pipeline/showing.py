"""What a dataset holds, for reading."""

import tempfile
from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.datasets.building import load_dataset_settings, read_record, write_snapshot
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import SPLITS, Row, read_split

_MOST_VALUES = 24


class FieldCount(BaseModel):
    """How many rows have one value of a field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    field: str
    """The field."""
    value: str
    """Its value."""
    rows: int
    """Rows with it."""


class DatasetDescription(BaseModel):
    """A dataset's snapshot with counts and samples."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    record: SnapshotRecord
    """What the snapshot says of itself."""
    counts: tuple[FieldCount, ...]
    """Rows by value, for fields with few values."""
    samples: tuple[Row, ...]
    """Some training rows."""


def describe_dataset(name: str, *, samples: int) -> DatasetDescription:
    """Return a dataset's counts and samples; nothing is kept.

    Args:
        name: The dataset.
        samples: How many training rows to show.

    Raises:
        InvalidInputError: No such dataset, or rows with mistakes.
    """
    dataset = load_dataset_settings(name)
    with tempfile.TemporaryDirectory() as folder:
        write_snapshot(dataset, Path(folder))
        record = read_record(Path(folder))
        rows = [row for split in SPLITS for row in read_split(Path(folder), split)]
    counts: list[FieldCount] = []
    for field in rows[0].fields:
        found = Counter(str(row.fields.get(field)) for row in rows)
        if 1 < len(found) <= _MOST_VALUES:
            counts += [FieldCount(field=field, value=v, rows=n) for v, n in sorted(found.items())]
    return DatasetDescription(record=record, counts=tuple(counts), samples=tuple(rows[:samples]))
