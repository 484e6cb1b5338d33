"""A page as Markdown."""

import re

from civicbench.pages.characters import visible
from civicbench.pages.document import (
    Block,
    Bullets,
    Caution,
    Cell,
    Code,
    Curve,
    Details,
    Document,
    Inline,
    Inset,
    Link,
    Pairs,
    Paragraph,
    Picture,
    Sides,
    Subheading,
    Table,
    Tag,
    Tokens,
)

_SPECIAL = re.compile(r"([`*_\[\]~$])")
_LINE_START = re.compile(r"^([-#]|\+(?= |$)|=+$)")
_NUMBERED = re.compile(r"^(\d+)([.)])(?= |$)")
_BREAKS = re.compile(r"\s*\n\s*")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_NOT_IN_SPAN = re.compile(r"[`|\\\n]")
_TICKS = re.compile(r"`+")
_UNLINKABLE = re.compile(r"[\s<>()\\\[\]|]")


def render_document(document: Document) -> str:
    """Return a document as Markdown in which no text of a model or dataset is markup.

    Args:
        document: What it says.
    """
    parts = [f"# {_line(document.title)}", _line(document.caption)]
    if document.display is not None:
        parts.append(f"**{_line(document.display)}**")
    for section in document.sections:
        if section.part is not None:
            parts.append(f"---\n\n**{_line(section.part)}**")
        parts.append(f"## {_line(section.title)}")
        parts.extend(_blocks(section.blocks))
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: tuple[Block, ...]) -> list[str]:
    return [text for block in blocks if (text := _block(block))]


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return _line(block.text)
        case Subheading():
            return f"### {_line(block.text)}"
        case Bullets():
            return "\n".join(f"- {_line(item)}" for item in block.items)
        case Pairs():
            head = ("What", "Value")
            return _table(head, [(_line(key), _cell(cell)) for key, cell in block.rows])
        case Table():
            rows = [tuple(_cell(cell) for cell in row) for row in block.rows]
            return f"**{_line(block.caption)}**\n\n" + _table(block.head, rows)
        case Caution():
            return f"> **Warning:** {_line(block.text)}"
        case Inset():
            return f"> {_line(block.text)}"
        case Code():
            return _fence(block)
        case Curve():
            return ""  # the description stands above it and the points in the table below
        case Picture():
            description = _line(block.description)
            return description if block.file is None else f"![{description}]({block.file})"
        case Sides():
            return _sides(block)
        case Tokens():
            return _tokens(block)
        case Details():
            inner = "\n\n".join(_blocks(block.blocks))
            summary = f"<summary>{_entities(block.summary)}</summary>"
            return f"<details>\n{summary}\n\n{inner}\n\n</details>"


def _sides(block: Sides) -> str:
    asked = f"**{_line(block.name)}**<br>{_cell(block.prompt)}"
    head = tuple(name for name, _ in block.sides)
    table = _table(head, [tuple(_cell(cell) for _, cell in block.sides)])
    return "\n\n".join(part for part in (asked, table, _line(block.note)) if part)


def _tokens(block: Tokens) -> str:
    # A control token's frame is bold: it must be told apart without colours.
    shown = [_span(p.text) if p.text.strip() else "` `" for p in block.pieces]
    parts = []
    for piece, text in zip(block.pieces, shown, strict=True):
        parts.append(f"**{text}**" if piece.control else text)
        parts.append("<br>" if piece.ends_line else " ")
    return "".join(parts).strip()


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(_line(name) for name in head), " | ".join("---" for _ in head)]
    lines.extend(" | ".join(row) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def _cell(cell: Cell) -> str:
    return "<br>".join(_inline(part) for part in cell)


def _inline(part: Inline) -> str:
    if isinstance(part, Tag):
        return f"**{_line(part.text)}**"
    if isinstance(part, Link):
        if part.safe and not _UNLINKABLE.search(part.address):
            return f"[{_line(part.text)}]({part.address})"
        return f"{_line(part.text)} ({_span(part.address)})"
    if part.style in ("code", "quote"):
        return _span(part.text)
    return _line(part.text)


def _line(text: str) -> str:
    """Return text on one line in which nothing reads as Markdown or HTML."""
    escaped = _SPECIAL.sub(r"\\\1", _entities(text))
    return _NUMBERED.sub(r"\1\\\2", _LINE_START.sub(r"\\\1", escaped))


def _entities(text: str) -> str:
    """Return text on one line, safe in HTML and in a table's cell."""
    flat = _BREAKS.sub(" ", visible(text)).strip()
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;")):
        flat = flat.replace(letter, entity)
    return flat.replace("\\", "&#92;")


def _span(text: str) -> str:
    """Return text as code, in which no markup, link or table border is read."""
    shown = visible(text).replace("\t", " ").strip()
    if not shown:
        return "(nothing)"
    if not _NOT_IN_SPAN.search(shown):
        return f"`{shown}`"
    lines = (_PUNCTUATION.sub(_character_reference, line) for line in shown.split("\n"))
    return f"<code>{'<br>'.join(lines)}</code>"


def _character_reference(found: re.Match[str]) -> str:
    return f"&#{ord(found.group())};"


def _fence(block: Code) -> str:
    longest = max((len(run) for run in _TICKS.findall(block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{block.language}\n{visible(block.text).rstrip()}\n{fence}"
