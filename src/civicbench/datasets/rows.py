"""Rows of a snapshot, and reading them back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from civicbench.core.errors import PartAbsentError
from civicbench.datasets.split_files import iterate_parquet
from civicbench.models.rendering import Message

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


class Row(BaseModel):
    """One row of a snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str
    """The row's name, unique in the snapshot."""
    group: str
    """Its group: no group stands in two splits."""
    messages: tuple[Message, ...]
    """The conversation; the last turn is the answer."""
    # Rows of a dataset without preferences keep their bytes, and so its digest.
    rejected: str | None = Field(default=None, exclude_if=lambda rejected: rejected is None)
    """The answer that the last turn is preferred to; None, and not written, where there is none."""
    fields: dict[str, str | int | float | bool | None]
    """The source row's own fields, for suites and slices."""


def iterate_split(snapshot: Path, split: SplitName) -> Iterator[Row]:
    """Yield the rows of one split of a snapshot folder, one at a time.

    Raises:
        PartAbsentError: The snapshot does not stand there.
        IntegrityError: The split is a damaged Parquet file.
    """
    parquet = snapshot / f"{split}.parquet"
    if parquet.is_file():
        for values in iterate_parquet(parquet):
            yield Row.model_validate(values)
        return
    path = snapshot / f"{split}.jsonl"
    try:
        stream = path.open(encoding="utf-8", newline="\n")
    except FileNotFoundError:
        raise PartAbsentError("no such file", where=str(path)) from None
    with stream:
        for line in stream:
            yield Row.model_validate_json(line)


def read_split(snapshot: Path, split: SplitName) -> list[Row]:
    """Return the rows of one split of a snapshot folder.

    Raises:
        PartAbsentError: The snapshot does not stand there.
    """
    return list(iterate_split(snapshot, split))
