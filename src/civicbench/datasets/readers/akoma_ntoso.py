"""Explanatory Notes in Akoma Ntoso: what each provision of an Act is explained to do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.reader import FileReader, Item
from civicbench.datasets.readers.record import Malformed, Scalar, make_record
from civicbench.datasets.readers.xml_elements import BrokenXmlError, ElementStream
from civicbench.datasets.readers.xml_text import inline_text, table_text

_SKIPPED = frozenset({"meta", "toc", "preface", "coverPage", "num", "heading"})
_HEADING_CHARACTERS = 300
# Ranks of headings, outermost first: the Notes mark only some of them up.
_SECTION, _PART, _CHAPTER, _GROUP, _PROVISION, _INSERTED, _INNER = range(7)
_RANKS = (
    # An Act as passed has no sections with letters: these it puts into an older one.
    (_INSERTED, re.compile(r"Sections?\s+[0-9]+[A-Z]")),
    (_PROVISION, re.compile(r"(?:Sections?|Clauses?|Schedules?|Articles?)\s+[0-9]+|Schedule\b")),
    (_PART, re.compile(r"Part\s+[0-9A-Z]+\b")),
    (_CHAPTER, re.compile(r"Chapter\s+[0-9A-Z]+\b")),
)
_PROVISION_NAME = re.compile(
    r"((?:Section|Clause|Schedule|Article)s?)(?:\s+([0-9]+[A-Z0-9]*(?:\s*(?:,|and|to)\s*[0-9]+[A-Z0-9]*)*))?"
)
_PART_NUMBER = re.compile(r"Part\s+([0-9]+)\b")


@dataclass(slots=True)
class _Part:
    """A heading with the text that stands below it."""

    place: str
    headings: dict[int, str]
    blocks: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)


class AkomaNtoso(FileReader):
    """Reads Explanatory Notes in Akoma Ntoso into a record for each heading with text below it.

    A heading within a provision's notes stays in its text as a line of its own. Contents, prefaces
    and pictures are left out; tables become lines with ` | `.
    """

    reader: Literal["akoma-ntoso"] = "akoma-ntoso"
    """The reader's name."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the headings' records. The file is held whole."""
        broken: BrokenXmlError | None = None
        documents: list[Element] = []
        try:
            stream = ElementStream(path, root="akomaNtoso", entities=False)
            documents.extend(element for _, element in stream)
        except BrokenXmlError as error:
            broken = error
            documents.extend([] if error.partial is None else [error.partial])
        if not documents and broken is None:
            raise InvalidInputError("is empty Akoma Ntoso", where=str(path))
        for document in documents:
            items = list(_iterate_items(document, path.name))
            # Where the file breaks, the last text may be cut.
            yield from items[:-1] if broken else items
        if broken:
            problem = f"{broken.problem}; the text before it may be cut, nothing after it is read"
            yield Malformed(f"{path.name}:{broken.line}", problem, "")


def _iterate_items(document: Element, file: str) -> Iterator[Item]:
    title = next((inline_text(one) for one in document.iter("title")), None)
    act = next((one.get("URI") for one in document.iter("Legislation")), None)
    parts: list[_Part] = []
    body = next(document.iter("mainBody"), None)
    if body is None:
        body = next(document.iter("body"), document)
    _walk(body, file, parts, {})
    for attachment in document.iter("attachment"):
        _walk(attachment, file, parts, {})
    for part in parts:
        text = "\n\n".join(part.blocks)
        if not text:
            continue
        ranks = sorted(part.headings)
        heading = part.headings[ranks[-1]] if ranks else None
        provision = part.headings.get(_INSERTED, part.headings.get(_PROVISION))
        fields: dict[str, Scalar] = {
            "title": title,
            "act": act,
            "path": " > ".join(part.headings[rank] for rank in ranks[:-1]),
            "heading": heading,
            "provision": _name_provision(provision) if provision else None,
            "paragraphs": "; ".join(part.numbers),
            "text": text,
        }
        yield make_record(part.place, fields)


def _walk(element: Element, file: str, parts: list[_Part], above: dict[int, str]) -> None:
    """Collect the parts below an element; `above` holds the headings by rank."""
    for child in element:
        heading = child.find("heading")
        if heading is not None:
            section = child.tag == "section"
            _enter(inline_text(heading), file, parts, above, _SECTION if section else _GROUP)
            _walk(child, file, parts, above)
        elif child.tag == "level" and _is_heading(child):
            _enter(inline_text(child), file, parts, above, _INNER)
        elif child.tag in _SKIPPED:
            continue
        elif child.tag == "table":
            _add(table_text(child), file, parts)
        elif child.tag in ("paragraph", "subparagraph", "blockContainer"):
            _add_numbered(child, file, parts, above)
        elif child.tag == "p":
            _add(_paragraph(child), file, parts)
        elif child.tag != "attachments":
            _walk(child, file, parts, above)


def _enter(text: str, file: str, parts: list[_Part], above: dict[int, str], default: int) -> None:
    rank = default
    if default != _SECTION:
        rank = next((rank for rank, form in _RANKS if form.match(text)), default)
    if rank == _PART and _is_schedules_part(text, above):
        rank = _INNER
    if rank == _INNER and _PROVISION in above:
        _add(text, file, parts)
        return
    for inner in [known for known in above if known >= rank]:
        del above[inner]
    above[rank] = text
    parts.append(_Part(f"{file}@{text}", dict(above)))


def _is_schedules_part(text: str, above: dict[int, str]) -> bool:
    """Return whether a Part is one of the Schedule at hand: the Act's own only count upwards."""
    if not above.get(_PROVISION, "").startswith("Schedule"):
        return False
    found, current = _PART_NUMBER.match(text), _PART_NUMBER.match(above.get(_PART, ""))
    return found is not None and current is not None and int(found[1]) <= int(current[1])


def _add(text: str, file: str, parts: list[_Part]) -> None:
    if not text:
        return
    if not parts:
        parts.append(_Part(f"{file}@(before the first heading)", {}))
    parts[-1].blocks.append(text)


def _add_numbered(child: Element, file: str, parts: list[_Part], above: dict[int, str]) -> None:
    number = child.find("num")
    label = inline_text(number) if number is not None else ""
    known = len(parts[-1].blocks) if parts else 0
    _walk(child, file, parts, above)
    if not parts or not label:
        return
    if label.isdigit():
        parts[-1].numbers.append(label)
    elif len(parts[-1].blocks) > known:
        parts[-1].blocks[known] = f"{label} {parts[-1].blocks[known]}"


def _is_heading(level: Element) -> bool:
    """Return whether a level is one short line that does not end as a sentence does."""
    kinds = [child.tag for child in level.iter()]
    text = inline_text(level)
    return (
        kinds.count("p") == 1
        and "paragraph" not in kinds
        and "table" not in kinds
        and len(text) <= _HEADING_CHARACTERS
        and not text.endswith((".", ";", ":"))
        and bool(text)
    )


def _paragraph(element: Element) -> str:
    for note in element.iter("authorialNote"):
        note.text = f" (footnote: {note.text or ''}"
        note.tail = f") {note.tail or ''}"
    return inline_text(element)


def _name_provision(heading: str) -> str:
    found = _PROVISION_NAME.match(heading)
    if not found:
        return heading
    return " ".join(part for part in (found[1].lower(), found[2]) if part)
