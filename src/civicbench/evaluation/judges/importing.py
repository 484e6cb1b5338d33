"""Labelled files taken back: whole and unchanged, or not at all."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from civicbench.core.delimited import read_delimited
from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.settings import suggest
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.queue import (
    COLUMNS,
    FORMULA,
    Labels,
    Queue,
    load_queue,
    queue_folder,
    text_digest,
)
from civicbench.evaluation.judges.record import LABELS, Label

_SHOWN = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_LABEL: TypeAdapter[Label] = TypeAdapter(Label)


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
        queue_folder(workspace, queue.name) / f"labels-{labeller}.json",
        found.model_dump_json(indent=2) + "\n",
    )
    return found


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
        if text_digest(row) != known[name].text:
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


def _read_csv(path: Path) -> list[dict[str, str]]:
    found = []
    for _, row in read_delimited(path, delimiter=",", columns=COLUMNS):
        plain = {
            name: value[1:] if value.startswith("'") and value[1:].startswith(FORMULA) else value
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
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise InvalidInputError(f"row {place} lacks {', '.join(missing)}", where=str(path))
    return rows
