"""What a dataset holds, for reading."""

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import PartAbsentError
from civicbench.core.stages import find_finished
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import (
    load_dataset_settings,
    read_record,
    snapshot_stage,
)
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import SPLITS, Row, iterate_split
from civicbench.pipeline.decontaminating import dataset_references

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


def describe_dataset(name: str, *, samples: int, workspace: Workspace) -> DatasetDescription:
    """Return the counts and samples of a dataset's snapshot; nothing is built or fetched.

    Args:
        name: The dataset.
        samples: How many training rows to show.
        workspace: Where the finished snapshot is looked for.

    Raises:
        InvalidInputError: No such dataset, or mistakes in its settings.
        PartAbsentError: Its snapshot does not stand, or a file of this machine is missing.
    """
    dataset = load_dataset_settings(name)
    references = dataset_references(dataset)
    found = find_finished(snapshot_stage(dataset, workspace=workspace, references=references))
    if found is None:
        raise PartAbsentError(
            "no snapshot stands of its sources and settings as they are now",
            where=f"dataset {name}",
            remedy=f"civicbench datasets build {name}",
        )
    return _describe(found.folder, samples=samples)


def _describe(snapshot: Path, *, samples: int) -> DatasetDescription:
    counters: dict[str, Counter[str]] = {}
    many: set[str] = set()
    shown: list[Row] = []
    for split in SPLITS:
        for row in iterate_split(snapshot, split):
            if len(shown) < samples and split == "train":
                shown.append(row)
            for field, value in row.fields.items():
                if field in many:
                    continue
                counter = counters.setdefault(field, Counter())
                counter[str(value)] += 1
                # A field of free text would hold every row's in memory.
                if len(counter) > _MOST_VALUES:
                    many.add(field)
                    del counters[field]
    counts = tuple(
        FieldCount(field=field, value=value, rows=rows)
        for field, counter in counters.items()
        if len(counter) > 1
        for value, rows in sorted(counter.items())
    )
    return DatasetDescription(record=read_record(snapshot), counts=counts, samples=tuple(shown))
