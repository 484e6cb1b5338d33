"""From pinned files to a suite's items."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from civicbench.core.delimited import read_delimited
from civicbench.core.documents import iterate_json_lines, read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.fetching import fetch_file
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.items import Item
from civicbench.evaluation.public import injection, pairs, questions
from civicbench.evaluation.public.rows import Row, Rows, arrange_rows
from civicbench.evaluation.public.settings import PublicFile, PublicItems, Shape

_SHAPES: Mapping[Shape, Callable[[PublicItems, Sequence[Rows]], list[Item]]] = {
    "rows": arrange_rows,
    "truthfulqa": questions.arrange_truthfulqa,
    "bbq": questions.arrange_bbq,
    "confaide": questions.arrange_confaide,
    "crows-pairs": pairs.arrange_crows_pairs,
    "winogender": pairs.arrange_winogender,
    "political-pairs": pairs.arrange_political_pairs,
    "prompt-injection": injection.arrange_prompt_injection,
    "bipia": injection.arrange_bipia,
}


def fetch_public_items(
    items: PublicItems, *, system: str | None, workspace: Workspace, reporter: Reporter
) -> list[Item]:
    """Return the items of pinned files: from the downloads, a mirror or the network.

    Raises:
        IntegrityError: A file's bytes differ from its digest.
        PartAbsentError: A file is not here and cannot be fetched.
        InvalidInputError: A file that its shape cannot read.
    """
    paths = [fetch_file(file, workspace=workspace, reporter=reporter) for file in items.files]
    return _arrange(items, paths, system=system)


def _arrange(items: PublicItems, paths: Sequence[Path], *, system: str | None) -> list[Item]:
    from civicbench.models.rendering import Message

    rows = [
        Rows(file.part, tuple(_kept(_read(file, path), items.keep)), str(path))
        for file, path in zip(items.files, paths, strict=True)
    ]
    where = ", ".join(file.url for file in items.files)
    try:
        found = _SHAPES[items.shape](items, rows)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"cannot be read in the shape {items.shape!r}",
            where=where,
            got=f"{type(error).__name__}: {error}",
        ) from error
    if not found:
        raise InvalidInputError("the suite has no items", where=where)
    names = [item.id for item in found]
    if len(set(names)) < len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise InvalidInputError("two items have one name", where=where, got=", ".join(double[:10]))
    if system is None:
        return found
    turn = Message(role="system", content=system)
    return [item.model_copy(update={"messages": (turn, *item.messages)}) for item in found]


def _kept(rows: Iterator[Row], keep: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    for row in rows:
        if all(str(row[column]) in values for column, values in keep.items()):
            yield row


def _read(file: PublicFile, path: Path) -> Iterator[Row]:
    if file.format in ("csv", "tsv"):
        delimiter = "," if file.format == "csv" else "\t"
        for _, row in read_delimited(path, delimiter=delimiter):
            yield dict(row)
    elif file.format == "json-lines":
        for _, value in iterate_json_lines(path):
            yield value
    elif file.format == "lines":
        for line in read_text(path).split("\n"):
            if line.strip():
                yield {"line": line}
    else:
        yield from _json_rows(path)


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        value: Any = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("is not JSON", where=str(path), got=str(error)) from None
    rows = value if isinstance(value, list) else [value]
    for row in rows:
        if not isinstance(row, dict):
            raise InvalidInputError("must hold objects", where=str(path), got=type(row).__name__)
        yield row
