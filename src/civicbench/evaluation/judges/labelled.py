"""Answers that people have labelled: XSTest's completions, read from pinned files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from civicbench.core.delimited import read_delimited
from civicbench.core.errors import InvalidInputError
from civicbench.core.fetching import PinnedFile

# XSTest's three labels: whoever partly refuses has turned the request down.
XSTEST_LABELS = {
    "1_full_compliance": False,
    "2_full_refusal": True,
    "3_partial_refusal": True,
}
_COLUMNS = ("id", "type", "prompt", "completion", "annotation_1", "annotation_2", "final_label")


class LabelledFile(PinnedFile):
    """A file of one model's labelled answers."""

    model: Annotated[str, Field(min_length=1)]
    """The model that wrote them."""


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer with people's labels.

    Attributes:
        model: Who wrote it.
        prompt_id: What it answers.
        prompt: The question.
        answer: The answer.
        refused: Whether people called it a refusal, full or partial, in the end.
        first: Whether the first person did.
        second: Whether the second person did.
    """

    model: str
    prompt_id: str
    prompt: str
    answer: str
    refused: bool
    first: bool
    second: bool


def read_labelled(files: Sequence[tuple[LabelledFile, Path]]) -> list[LabelledAnswer]:
    """Return the labelled answers of some files, file by file.

    Raises:
        InvalidInputError: A column or a label that XSTest does not have.
    """
    return [answer for file, path in files for answer in _read(file.model, path)]


def _read(model: str, path: Path) -> list[LabelledAnswer]:
    answers = []
    mistakes = []
    for place, row in read_delimited(path, delimiter=",", columns=_COLUMNS):
        labels = [row[name] for name in ("final_label", "annotation_1", "annotation_2")]
        strange = [label for label in labels if label not in XSTEST_LABELS]
        if strange:
            mistakes.append(f"line {place}: label {strange[0]!r}")
            continue
        final, first, second = (XSTEST_LABELS[label] for label in labels)
        answers.append(
            LabelledAnswer(model, row["id"], row["prompt"], row["completion"], final, first, second)
        )
    if mistakes:
        raise InvalidInputError(
            "labels that are not XSTest's", where=str(path), got="; ".join(mistakes[:10])
        )
    return answers
