"""Answers for people to label: a blind sample out, labels in, and how far judge and people agree.

Who labels sees question and answer, never the model, the judge's label or the score. What the
rows stand for is kept in the workspace; a labelled file is taken back only if it holds exactly the
rows that went out, unchanged, each with a label.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from civicbench.core.delimited import read_delimited
from civicbench.core.digests import digest_json, digest_text
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.files import write_text_whole
from civicbench.core.settings import suggest
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.agreement import QUEUE, measure_agreement
from civicbench.evaluation.judges.record import LABELS, Label
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import Agreement

QUEUES_FOLDER = "queues"
_KEY_NAME = "key.json"
_COLUMNS = ("row", "question", "answer", "label", "note")
_SHOWN = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
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
    path = _folder(workspace, queue.name) / _KEY_NAME
    write_text_whole(path, queue.model_dump_json(indent=2) + "\n")


def import_labels(path: Path, *, labeller: str, workspace: Workspace) -> Labels:
    """Take a labelled file back.

    Args:
        path: The file: CSV, or JSON where its name ends with .json.
        labeller: Who labelled.
        workspace: Where the queue was put out.

    Raises:
        InvalidInputError: Unknown labels, rows that stand twice, are missing, unknown or were
            changed: every mistake is named at once, and nothing is kept.
        PartAbsentError: No such file, or no such queue here.
    """
    if not _NAME.fullmatch(labeller):
        raise InvalidInputError(
            "must be lower-case letters, digits and hyphens, 31 at most",
            where="--labeller",
            got=labeller,
        )
    rows = _read_json(path) if path.suffix == ".json" else _read_csv(path)
    names = [row["row"] for row in rows]
    if not names:
        raise InvalidInputError("has no rows", where=str(path))
    queue = load_queue(names[0].rpartition("-")[0], workspace=workspace)
    mistakes = _mistakes(rows, queue)
    if mistakes:
        shown = [f"  - {mistake}" for mistake in mistakes[:_SHOWN]]
        if len(mistakes) > len(shown):
            shown.append(f"  - and {len(mistakes) - len(shown)} more")
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise InvalidInputError(
            "\n".join([f"{count}; nothing was imported", *shown]),
            where=str(path),
            remedy=f"labels are {', '.join(LABELS)}; mend the file and import it again",
        )
    found = Labels(
        queue=queue.name,
        labeller=labeller,
        labels={row["row"]: _LABEL.validate_python(_cleaned(row["label"])) for row in rows},
    )
    write_text_whole(
        _folder(workspace, queue.name) / f"labels-{labeller}.json",
        found.model_dump_json(indent=2) + "\n",
    )
    return found


def load_queue(name: str, *, workspace: Workspace) -> Queue:
    """Return a queue by name.

    Raises:
        PartAbsentError: None of that name was put out from this workspace.
    """
    path = _folder(workspace, name) / _KEY_NAME if re.fullmatch(r"[0-9a-f]{10}", name) else None
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
    paths = sorted(_folder(workspace, queue.name).glob("labels-*.json"))
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


_LABEL: TypeAdapter[Label] = TypeAdapter(Label)


def _mistakes(rows: Iterable[Mapping[str, str]], queue: Queue) -> list[str]:
    known = {entry.row: entry for entry in queue.entries}
    seen: set[str] = set()
    found = []
    for row in rows:
        name = row["row"]
        if name not in known:
            found.append(f"{name!r}: is no row of queue {queue.name}")
            continue
        if name in seen:
            found.append(f"{name}: stands twice")
            continue
        seen.add(name)
        if _text_digest(row) != known[name].text:
            found.append(f"{name}: question or answer was changed")
        label = _cleaned(row["label"])
        if not label:
            found.append(f"{name}: has no label")
        elif label not in LABELS:
            near = suggest(label, LABELS)
            hint = f"; did you mean {near}?" if near else ""
            found.append(f"{name}: unknown label {row['label']!r}{hint}")
    found += [f"{name}: is missing" for name in known if name not in seen]
    return found


def _cleaned(label: str) -> str:
    return label.strip().lower()


def _entry(row: Mapping[str, str], own: Scored) -> QueueEntry:
    judgement = own.record.judgement
    assert judgement is not None  # noqa: S101 (only judged answers are drawn)
    return QueueEntry(
        row=row["row"],
        text=_text_digest(row),
        suite=own.suite,
        task=own.record.task,
        item=own.record.id,
        scores=own.scores,
        judge=judgement.judge,
        label=judgement.label,
    )


def _text_digest(row: Mapping[str, str]) -> str:
    """Return the digest of a row's texts; line ends, which spreadsheets change, are left out."""
    texts = (" ".join(row[name].split()) for name in ("question", "answer"))
    return digest_json(list(texts))


def _as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _guarded(value) for name, value in row.items()})
    # Spreadsheets take UTF-8 for another encoding without the mark.
    return "\ufeff" + out.getvalue()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read_csv(path: Path) -> list[dict[str, str]]:
    found = []
    for _, row in read_delimited(path, delimiter=",", columns=_COLUMNS):
        plain = {
            name: value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value
            for name, value in row.items()
        }
        found.append(plain)
    return found


def _read_json(path: Path) -> list[dict[str, str]]:
    try:
        value: Any = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("is not JSON", where=str(path), got=str(error)) from None
    try:
        rows = TypeAdapter(list[dict[str, str]]).validate_python(value)
    except ValidationError as error:
        raise InvalidInputError(
            "must be a list of rows whose values are texts",
            where=str(path),
            got=str(error.errors()[0]["msg"]),
        ) from None
    for place, row in enumerate(rows, start=1):
        missing = [name for name in _COLUMNS if name not in row]
        if missing:
            raise InvalidInputError(f"row {place} lacks {', '.join(missing)}", where=str(path))
    return rows


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.judges / QUEUES_FOLDER / name


def _parse(kind: Any, path: Path) -> Any:
    try:
        return kind.model_validate_json(read_text(path))
    except ValidationError as error:
        raise IntegrityError(
            "cannot be read", where=str(path), got=str(error.errors()[0]["msg"])
        ) from None
