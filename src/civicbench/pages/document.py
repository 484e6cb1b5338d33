"""A page as a tree of plain blocks, written once and rendered as Markdown and as HTML.

Blocks hold finished words: whoever renders them formats no number and chooses no sentence.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from civicbench.training.record import CurvePoint

Colour = Literal["green", "red", "grey", "blue", "yellow"]
Style = Literal["plain", "hint", "code", "quote", "number"]


@dataclass(frozen=True)
class Words:
    """Text in one style.

    Attributes:
        text: The text, as it is; each rendering escapes it.
        style: "quote" marks what a model or a dataset said, "code" digests and commands,
            "number" what stays on one line.
    """

    kind: ClassVar[str] = "words"
    text: str
    style: Style = "plain"


@dataclass(frozen=True)
class Tag:
    """A short verdict, told by its words and not by its colour alone."""

    kind: ClassVar[str] = "tag"
    text: str
    colour: Colour


@dataclass(frozen=True)
class Link:
    """A link for a reader to follow; nothing is loaded from it."""

    kind: ClassVar[str] = "link"
    text: str
    address: str

    @property
    def safe(self) -> bool:
        """Whether the address is a web address, which alone is rendered as a link."""
        return self.address.startswith(("https://", "http://"))


Inline = Words | Tag | Link
Cell = tuple[Inline, ...]
"""What stands in one cell, one line for each part."""


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Subheading:
    """A heading below the section's own."""

    kind: ClassVar[str] = "subheading"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of points."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Keys with their values (a summary list)."""

    kind: ClassVar[str] = "pairs"
    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Table:
    """A table whose first cell of each row names the row."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Caution:
    """Something that must not be overlooked."""

    kind: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True)
class Inset:
    """Text set off from what stands around it."""

    kind: ClassVar[str] = "inset"
    text: str


@dataclass(frozen=True)
class Code:
    """A command or a file, kept line by line."""

    kind: ClassVar[str] = "code"
    text: str
    language: str


@dataclass(frozen=True)
class Curve:
    """A loss curve, with the sentence that tells what it shows."""

    kind: ClassVar[str] = "curve"
    title: str
    description: str
    training: tuple[CurvePoint, ...]
    held_out: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Picture:
    """A picture drawn by Civicbench.

    Attributes:
        svg: An `<svg>` element that names itself for those who do not see it.
        description: What it shows, in a sentence.
        file: The file's name beside the page in which the same picture stands, if any.
    """

    kind: ClassVar[str] = "picture"
    svg: str
    description: str
    file: str | None = None


@dataclass(frozen=True)
class Sides:
    """Texts that are read beside each other: what several models said to one prompt.

    Attributes:
        name: What the prompt is called.
        prompt: What was asked.
        sides: The texts with their headings, from left to right.
        note: What else is known of them.
    """

    kind: ClassVar[str] = "sides"
    name: str
    prompt: Cell
    sides: tuple[tuple[str, Cell], ...]
    note: str


@dataclass(frozen=True)
class Piece:
    """One token.

    Attributes:
        text: Its text, spaces and line breaks as symbols.
        control: Whether it is spelt like a control token.
        ends_line: Whether a line ends with it.
    """

    text: str
    control: bool
    ends_line: bool = False


@dataclass(frozen=True)
class Tokens:
    """A text as a model reads it, token by token."""

    kind: ClassVar[str] = "tokens"
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away until a reader asks for them."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: tuple["Block", ...]


Block = (
    Paragraph
    | Subheading
    | Bullets
    | Pairs
    | Table
    | Caution
    | Inset
    | Code
    | Curve
    | Picture
    | Sides
    | Tokens
    | Details
)


@dataclass(frozen=True)
class Section:
    """A part of the page under its own heading.

    Attributes:
        name: Anchor of the heading: lower-case words joined by hyphens.
        title: The heading.
        blocks: What stands under it.
        part: Heading of the part of the page that begins with it, if one does; on paper, a part
            begins on a page of its own.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    part: str | None = None


@dataclass(frozen=True)
class Document:
    """A whole page.

    Attributes:
        title: The one top heading.
        caption: What stands above it.
        display: Words that the base model's licence wants shown prominently, if any.
        sections: The parts, in reading order.
    """

    title: str
    caption: str
    display: str | None
    sections: tuple[Section, ...]


def words(text: str) -> Cell:
    """Return a cell of plain text."""
    return (Words(text),)


def number(text: str) -> Cell:
    """Return a cell of a number or an interval, which stays on one line."""
    return (Words(text, "number"),)


def code(text: str) -> Cell:
    """Return a cell of a digest, a command or a version."""
    return (Words(text, "code"),)


def quote(text: str) -> Cell:
    """Return a cell of what a model or a dataset said."""
    return (Words(text, "quote"),)
