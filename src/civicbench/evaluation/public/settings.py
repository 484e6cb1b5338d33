"""Where a public suite's items are, and which of them are asked."""

from typing import Annotated, Literal

from pydantic import Field

from civicbench.core.fetching import PinnedFile
from civicbench.core.settings import Settings

Shape = Literal[
    "rows",
    "truthfulqa",
    "bbq",
    "crows-pairs",
    "winogender",
    "prompt-injection",
    "bipia",
    "confaide",
    "political-pairs",
]


class PublicFile(PinnedFile):
    """A pinned file, and how it is read."""

    format: Literal["csv", "tsv", "json", "json-lines", "lines"]
    """csv and tsv: rows below a header; json: a list of objects, or an object; json-lines: an
    object a line; lines: one text a line."""
    part: str = ""
    """What the file is, where a shape reads several of different kinds."""


class PublicItems(Settings):
    """Items that stand in public files, pinned by address and digest."""

    files: Annotated[tuple[PublicFile, ...], Field(min_length=1)]
    """The files, in order."""
    shape: Shape
    """How rows become items: rows takes `prompt` and `id` as templates; the others each know one
    public set."""
    keep: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """Only rows whose columns have one of these values; empty for all."""
    prompt: str | None = None
    """For rows: the prompt, with {COLUMN} where a column's text goes."""
    id: str | None = None
    """For rows: the item's name, with {COLUMN} likewise; None numbers the rows."""
    seed: int = 0
    """Where choices are shuffled: decides the order, with the item's name."""


class Subset(Settings):
    """Some of a suite's items: stratified, drawn by a seed and the items' names alone."""

    count: Annotated[int, Field(gt=0)]
    """How many are asked; where `of` is given, how many groups."""
    of: str | None = None
    """Items with one value of this field are drawn together; None draws item by item."""
    by: tuple[str, ...] = ()
    """Values of these fields are drawn in proportion to their number, at least one of each."""
    seed: int = 0
    """Decides which."""
