"""Text out of XML elements."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

_ROWS = "tr"
_CELLS = ("td", "th")


def inline_text(element: Element) -> str:
    """Return an element's whole text on one line; `br` becomes a space."""
    parts: list[str] = []
    for event, text in _pieces(element):
        parts.append(" " if event == "br" else text)
    return " ".join("".join(parts).split())


def table_text(table: Element) -> str:
    """Return a table's rows as lines, its cells parted by ` | `."""
    rows = []
    for row in table.iter(_ROWS):
        cells = [inline_text(cell) for cell in row if cell.tag in _CELLS]
        if any(cells):
            rows.append(" | ".join(cells))
    return "\n".join(rows)


def block_text(element: Element) -> str:
    """Return the text of an element's children, a paragraph each, parted by blank lines."""
    blocks = [" ".join((element.text or "").split())]
    for child in element:
        blocks.append(table_text(child) if child.tag == "table" else inline_text(child))
        blocks.append(" ".join((child.tail or "").split()))
    return "\n\n".join(block for block in blocks if block)


def _pieces(element: Element) -> Iterator[tuple[str, str]]:
    yield element.tag, element.text or ""
    for child in element:
        yield from _pieces(child)
        yield "tail", child.tail or ""
