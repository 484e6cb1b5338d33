"""Rows of a snapshot, and reading them back."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.core.documents import iterate_lines
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
    # Not splitlines: a row's text may hold U+2028 and others that it takes for line ends.
    return [Row.model_validate_json(line) for _, line in iterate_lines(snapshot / f"{split}.jsonl")]
