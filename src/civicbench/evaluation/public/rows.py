"""Rows of a public file, and the plain way from a row to an item: prompt and name by template."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civicbench.core.digests import digest_text
from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.items import Item
from civicbench.evaluation.public.settings import PublicItems
from civicbench.models.rendering import Message

Row = Mapping[str, Any]
_COLUMN = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Rows:
    """The rows of one file.

    Attributes:
        part: What the file is.
        rows: Its rows.
        where: Where it stands, for messages.
    """

    part: str
    rows: tuple[Row, ...]
    where: str


def make_item(
    name: str, prompt: str, fields: Mapping[str, Any], *, system: str | None = None
) -> Item:
    """Return an item: its question as a user's turn, after a system turn of its own if any."""
    turns = [Message(role="system", content=system)] if system else []
    turns.append(Message(role="user", content=prompt))
    return Item(id=name, messages=tuple(turns), fields=dict(fields))


def fill(template: str, row: Row) -> str:
    """Return a template with columns' texts in it; a column's own braces stay as they are."""
    return _COLUMN.sub(lambda found: str(row[found[1]]), template)


def shuffled(values: Sequence[str], *, seed: int, name: str) -> list[str]:
    """Return values in an order that seed, item and the values themselves decide."""
    return sorted(values, key=lambda value: digest_text(f"{seed}:{name}:{value}"))


def part(rows: Sequence[Rows], name: str) -> tuple[Row, ...]:
    """Return the rows of the file that is called so.

    Raises:
        InvalidInputError: No file is, or two are.
    """
    found = [own for own in rows if own.part == name]
    if len(found) != 1:
        raise InvalidInputError(
            f"one file must be the part {name!r}",
            where="items.files",
            got=", ".join(own.part or "(none)" for own in rows),
        )
    return found[0].rows


def arrange_rows(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return an item a row: prompt and name by template, every column as a field."""
    if items.prompt is None:
        raise InvalidInputError("the shape rows needs a prompt template", where="items.prompt")
    found: list[Item] = []
    for own in rows:
        for row in own.rows:
            number = len(found) + 1
            name = fill(items.id, row) if items.id else f"{number:04d}"
            fields = {key: value for key, value in row.items() if key and value is not None}
            found.append(make_item(name, fill(items.prompt, row), {"item": name, **fields}))
    return found
