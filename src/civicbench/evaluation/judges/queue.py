"""Answers for people to label: a blind sample out, labels in, and how far judge and people agree.

Who labels sees question and answer, never the model, the judge's label or the score. What the
rows stand for is kept in the workspace; a labelled file is taken back only if it holds exactly the
rows that went out, unchanged, each with a label.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.digests import digest_json, digest_text
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.files import write_text_whole
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.agreement import QUEUE, measure_agreement
from civicbench.evaluation.judges.record import Label
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import Agreement

QUEUES_FOLDER = "queues"
_KEY_NAME = "key.json"
COLUMNS = ("row", "question", "answer", "label", "note")
_SHOWN = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_Format = Literal["csv", "json"]


class QueueEntry(BaseModel):
    """What one row of a queue stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    row: str
    """The row's name in the file that goes out."""
    text: str
    """Digest of question and answer as they went out."""
    suite: str
    """The suite."""
    task: str
    """The task."""
    item: str
    """The item."""
    scores: str
    """The score folder's name."""
    judge: str
    """Digest of the judge."""
    label: Label
    """Its label."""


class Queue(BaseModel):
    """A blind sample that was put out."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Its name: the beginning of the digest of its rows."""
    seed: int
    """Seed of the draw and of the order."""
    entries: tuple[QueueEntry, ...]
    """Its rows, in the order in which they went out."""


class Labels(BaseModel):
    """One person's labels of a queue."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    queue: str
    """The queue's name."""
    labeller: str
    """Who labelled, by the name that was given."""
    labels: dict[str, Label]
    """The label of each row."""


@dataclass(frozen=True)
class Scored:
    """A judged answer, and where it stands.

    Attributes:
        scores: The score folder's name.
        suite: The suite.
        model: What tells models apart: never shown.
        record: The item record.
    """

    scores: str
    suite: str
    model: str
    record: ItemRecord


def draw_queue(answers: Sequence[Scored], *, count: int, seed: int) -> tuple[Queue, str, str]:
    """Draw a blind sample: as even as can be over suite, task, model and the judge's label.

    Args:
        answers: Judged answers.
        count: How many are drawn.
        seed: Decides which, and their order.

    Returns:
        The queue, and its rows as CSV and as JSON.

    Raises:
        InvalidInputError: No judged answers, or fewer than are to be drawn.
    """
    judged = {
        digest_json([own.suite, own.model, own.record.task, own.record.id, own.record.seed]): own
        for own in answers
        if own.record.judgement is not None
    }
    if len(judged) < count or count < 1:
        raise InvalidInputError(
            "there are not as many judged answers",
            where="--count",
            got=f"{count}; {len(judged)} answers were judged",
            remedy="evaluate a recipe whose suites have judged tasks, or draw fewer",
        )
    strata: dict[tuple[str, ...], list[str]] = {}
    for key, own in judged.items():
        record = own.record
        label = record.judgement.label if record.judgement else ""
        strata.setdefault((own.suite, record.task, own.model, label), []).append(key)
    for stratum, keys in strata.items():
        strata[stratum] = sorted(keys, key=lambda key: digest_text(f"{seed}:{key}"))
    chosen: list[str] = []
    depth = 0
    order = sorted(strata, key=lambda stratum: digest_text(f"{seed}:{stratum}"))
    while len(chosen) < count:
        chosen += [strata[s][depth] for s in order if depth < len(strata[s])]
        depth += 1
    chosen = sorted(chosen[:count], key=lambda key: digest_text(f"{seed}:order:{key}"))
    name = digest_json([seed, *chosen])[:10]
    entries, rows = [], []
    for number, key in enumerate(chosen, start=1):
        own = judged[key]
        row = {
            "row": f"{name}-{number:03d}",
            "question": show_controls(own.record.prompt),
            "answer": show_controls(own.record.answer),
        }
        rows.append({**row, "label": "", "note": ""})
        entries.append(_entry(row, own))
    queue = Queue(name=name, seed=seed, entries=tuple(entries))
    return queue, _as_csv(rows), json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def keep_queue(queue: Queue, *, workspace: Workspace) -> None:
    """Keep what a queue's rows stand for."""
    path = queue_folder(workspace, queue.name) / _KEY_NAME
    write_text_whole(path, queue.model_dump_json(indent=2) + "\n")


def load_queue(name: str, *, workspace: Workspace) -> Queue:
    """Return a queue by name.

    Raises:
        PartAbsentError: None of that name was put out from this workspace.
    """
    path = (
        queue_folder(workspace, name) / _KEY_NAME if re.fullmatch(r"[0-9a-f]{10}", name) else None
    )
    if path is None or not path.is_file():
        raise PartAbsentError(
            "no queue of that name was put out from this workspace",
            where=str(workspace.judges / QUEUES_FOLDER),
            got=name or "(none)",
            remedy="import where it was exported; the first column must be as it was",
        )
    found: Queue = _parse(Queue, path)
    return found


def list_queues(*, workspace: Workspace) -> list[Queue]:
    """Return the queues that were put out, by name."""
    paths = sorted((workspace.judges / QUEUES_FOLDER).glob(f"*/{_KEY_NAME}"))
    return [_parse(Queue, path) for path in paths]


def labels_of(queue: Queue, *, workspace: Workspace) -> list[Labels]:
    """Return what people labelled of a queue, by name."""
    paths = sorted(queue_folder(workspace, queue.name).glob("labels-*.json"))
    return [_parse(Labels, path) for path in paths]


def queue_agreements(queue: Queue, labels: Sequence[Labels]) -> list[tuple[str, Agreement]]:
    """Return how far each judge agrees with each person, and the people with each other.

    Returns:
        (digest of the judge, or "" between two people; the agreement).
    """
    found = []
    for own in labels:
        for judge in sorted({entry.judge for entry in queue.entries}):
            entries = [entry for entry in queue.entries if entry.judge == judge]
            found.append(
                (
                    judge,
                    measure_agreement(
                        [own.labels[entry.row] for entry in entries],
                        [entry.label for entry in entries],
                        clusters=[f"{entry.suite}/{entry.item}" for entry in entries],
                        against=f"{own.labeller}'s labels of queue {queue.name}",
                        held_out=QUEUE,
                    ),
                )
            )
    for number, one in enumerate(labels):
        for other in labels[number + 1 :]:
            found.append(
                (
                    "",
                    measure_agreement(
                        [one.labels[entry.row] for entry in queue.entries],
                        [other.labels[entry.row] for entry in queue.entries],
                        clusters=[f"{entry.suite}/{entry.item}" for entry in queue.entries],
                        against=f"{one.labeller}'s labels of queue {queue.name}",
                        held_out=f"{other.labeller} against {one.labeller}",
                    ),
                )
            )
    return found


def agreements_since(judge: str, *, workspace: Workspace) -> tuple[Agreement, ...]:
    """Return how far a judge agrees with what people have labelled in this workspace."""
    return tuple(
        agreement
        for queue in list_queues(workspace=workspace)
        for digest, agreement in queue_agreements(queue, labels_of(queue, workspace=workspace))
        if digest == judge
    )


def show_controls(text: str) -> str:
    """Return a text with control characters spelt out, for files that people open."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def _entry(row: Mapping[str, str], own: Scored) -> QueueEntry:
    judgement = own.record.judgement
    assert judgement is not None  # noqa: S101 (only judged answers are drawn)
    return QueueEntry(
        row=row["row"],
        text=text_digest(row),
        suite=own.suite,
        task=own.record.task,
        item=own.record.id,
        scores=own.scores,
        judge=judgement.judge,
        label=judgement.label,
    )


def text_digest(row: Mapping[str, str]) -> str:
    """Return the digest of a row's texts; line ends, which spreadsheets change, are left out."""
    texts = (" ".join(row[name].split()) for name in ("question", "answer"))
    return digest_json(list(texts))


def _as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _guarded(value) for name, value in row.items()})
    # Spreadsheets take UTF-8 for another encoding without the mark.
    return "\ufeff" + out.getvalue()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def queue_folder(workspace: Workspace, name: str) -> Path:
    """Return where a queue and its labels are kept."""
    return workspace.judges / QUEUES_FOLDER / name


def _parse(kind: Any, path: Path) -> Any:
    try:
        return kind.model_validate_json(read_text(path))
    except ValidationError as error:
        raise IntegrityError(
            "cannot be read", where=str(path), got=str(error.errors()[0]["msg"])
        ) from None
