"""What is kept of every item: `items.jsonl`, from which all scores can be computed again."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.core.documents import read_text
from civicbench.core.files import write_text_whole

ITEMS_NAME = "items.jsonl"


class ItemRecord(BaseModel):
    """One item as one model answered it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    """The task within the suite."""
    id: str
    """The item."""
    cluster: str
    """Its cluster."""
    slices: dict[str, str]
    """The values of the suite's slice fields."""
    prompt: str
    """The last user turn, for reading."""
    prompt_digest: str
    """Digest of the prompt's token ids."""
    expected: str
    """The right answer."""
    answer: str
    """The model's answer: the choice it picked, or the text it wrote."""
    expected_position: int
    """Position of the right choice; -1 for generated answers."""
    answer_position: int
    """Position of the picked choice; -1 for generated answers."""
    log_likelihoods: tuple[float, ...]
    """Of each choice, in nats; empty for generated answers."""
    values: dict[str, float]
    """The item's value by metric: 1.0 right, 0.0 wrong."""
    flags: tuple[str, ...]
    """Oddities: "cut by the token limit", "empty answer"."""


def write_items(folder: Path, items: Iterable[ItemRecord]) -> None:
    """Write a suite's item records into a folder, whole."""
    write_text_whole(folder / ITEMS_NAME, "".join(i.model_dump_json() + "\n" for i in items))


def read_items(folder: Path) -> list[ItemRecord]:
    """Return the item records of a score folder.

    Raises:
        PartAbsentError: The folder holds none.
    """
    return parse_items(folder / ITEMS_NAME)


def parse_items(path: Path) -> list[ItemRecord]:
    """Return the item records of a file, wherever it stands.

    Raises:
        PartAbsentError: There is no such file.
    """
    lines = read_text(path).split("\n")
    return [ItemRecord.model_validate_json(line) for line in lines if line]
