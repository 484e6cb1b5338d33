"""What is kept of every item: `items.jsonl`, from which all scores can be computed again."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from civicbench.core.documents import read_text
from civicbench.core.files import write_text_whole
from civicbench.evaluation.judges.record import Judgement

ITEMS_NAME = "items.jsonl"
PROMPTS_NAME = "prompts.jsonl"
_RecordT = TypeVar("_RecordT", bound=BaseModel)


class Twin(BaseModel):
    """Which pair an item belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pair: str
    """The pair's name."""
    side: str
    """Which of the two the item is."""


class ItemRecord(BaseModel):
    """One item as one model answered it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    """The task within the suite."""
    id: str
    """The item."""
    seed: int | None
    """The seed of a drawn answer; None for choices and the likeliest answer."""
    cluster: str
    """Its cluster."""
    slices: dict[str, str]
    """The values of the suite's slice fields."""
    prompt: str
    """The last user turn, for reading."""
    prompt_digest: str
    """Digest of the prompt's token ids."""
    prompt_tokens: int
    """How many there are."""
    choices: tuple[str, ...]
    """The choices as written; empty for generated answers."""
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
    # Written only where a task asks for them, so that other records stay as they were.
    roles: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """What each choice stands for: "biased", "counter", "unknown"."""
    marks: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """What was looked for in the written answer."""
    reference: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """People's mean rating."""
    case: str = Field(default="", exclude_if=lambda value: not value)
    """The case of which this is one version."""
    side: str = Field(default="", exclude_if=lambda value: not value)
    """Which version."""
    judgement: Judgement | None = Field(default=None, exclude_if=lambda value: value is None)
    """What the judge said of the written answer."""
    # Records of suites without twins keep their bytes.
    twin: Twin | None = Field(default=None, exclude_if=lambda twin: twin is None)
    """The pair it belongs to; None, and not written, where it has no twin."""


class PromptExample(BaseModel):
    """One item of a task as the model read it, token by token: for a person to look at."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    """The task within the suite."""
    id: str
    """The item."""
    prompt_pieces: tuple[str, ...]
    """The text of each token of the prompt, control tokens as they are spelt."""
    answer_pieces: tuple[str, ...]
    """The text of each token of the right choice; empty for generated answers."""


class ScoreMeasurements(BaseModel):
    """What differs between two equal evaluations: `measurements.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    machine: str
    """The processor or GPU, in words."""
    processes: int
    """Processes that shared the work."""
    wall_time_s: float
    """From loading the model to the last answer."""
    items_per_second: float
    """Items a second of that time."""
    items_found: int
    """Requests to the model that were found answered and not asked again."""
    prompt_tokens: int
    """Tokens of all prompts and choices, as a scorer without sharing would compute them."""
    computed_tokens: int
    """Tokens that were computed."""
    peak_memory_bytes: int
    """The process's peak resident memory; on a GPU the peak of its allocated memory."""


def write_items(folder: Path, items: Iterable[ItemRecord]) -> None:
    """Write a suite's item records into a folder, whole."""
    _write(folder / ITEMS_NAME, items)


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
    return _parse(ItemRecord, path)


def write_prompts(folder: Path, prompts: Iterable[PromptExample]) -> None:
    """Write a suite's prompt examples into a folder, whole."""
    _write(folder / PROMPTS_NAME, prompts)


def read_prompts(folder: Path) -> list[PromptExample]:
    """Return the prompt examples of a score folder.

    Raises:
        PartAbsentError: The folder holds none.
    """
    return parse_prompts(folder / PROMPTS_NAME)


def parse_prompts(path: Path) -> list[PromptExample]:
    """Return the prompt examples of a file, wherever it stands.

    Raises:
        PartAbsentError: There is no such file.
    """
    return _parse(PromptExample, path)


def _write(path: Path, records: Iterable[BaseModel]) -> None:
    write_text_whole(path, "".join(record.model_dump_json() + "\n" for record in records))


def _parse(kind: type[_RecordT], path: Path) -> list[_RecordT]:
    return [kind.model_validate_json(line) for line in read_text(path).split("\n") if line]
