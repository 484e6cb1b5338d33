"""Rows of a snapshot, and reading them back."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.core.documents import read_text
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
    fields: dict[str, str | int | float | bool | None]
    """The source row's own fields, for suites and slices."""


def read_split(snapshot: Path, split: SplitName) -> list[Row]:
    """Return the rows of one split of a snapshot folder.

    Raises:
        PartAbsentError: The snapshot does not stand there.
    """
    lines = read_text(snapshot / f"{split}.jsonl").splitlines()
    return [Row.model_validate_json(line) for line in lines]
