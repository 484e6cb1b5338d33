"""A version's ATRS record as Markdown, as a page, as CSV, and as a file to fill in."""

import csv
import io
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.pages.characters import visible
from civicbench.pages.document import (
    Block,
    Caution,
    Cell,
    Colour,
    Document,
    Pairs,
    Paragraph,
    Section,
    Table,
    Tag,
    Words,
    code,
    words,
)
from civicbench.pages.html import render_page
from civicbench.pages.markdown import render_document
from civicbench.pages.wording import count_of
from civicbench.registry.atrs.fields import FilledBy
from civicbench.registry.atrs.record import AtrsRecord, AtrsValue, missing_fields, unread_drafts

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula."""
_COLOURS: dict[FilledBy, Colour] = {"measured": "blue", "drafted": "yellow", "person": "green"}
_COLUMNS = (
    "number", "key", "title", "tier", "filled by", "state", "text", "author", "written at", "event",
)  # fmt: skip


@dataclass(frozen=True)
class AtrsPaths:
    """Where a record's files stand.

    Attributes:
        markdown: To be read, and published.
        html: The same as a page.
        csv: One line a field, for spreadsheets.
        yaml: What people have to write, to be filled in and given back.
    """

    markdown: Path
    html: Path
    csv: Path
    yaml: Path


def write_atrs(folder: Path, record: AtrsRecord) -> AtrsPaths:
    """Write a record's files; each is written whole or not at all.

    Raises:
        PartAbsentError: The stylesheet was not built; nothing is written then.
        DiskFullError: No space left.
    """
    document = compose_atrs(record)
    page = render_page(document)
    paths = AtrsPaths(*(folder / f"atrs.{ending}" for ending in ("md", "html", "csv", "yaml")))
    write_text_whole(paths.markdown, render_document(document))
    write_text_whole(paths.html, page)
    write_text_whole(paths.csv, render_atrs_csv(record))
    write_text_whole(paths.yaml, render_atrs_form(record))
    return paths


def compose_atrs(record: AtrsRecord) -> Document:
    """Return a record as blocks, for any rendering."""
    sections = [_state(record)]
    for title, group in groupby(record.values, key=lambda value: value.field.section):
        sections.append(_section(title, tuple(group)))
    return Document(
        title=f"Algorithmic transparency record: {record.model}",
        caption=f"Version {record.number}",
        display=None,
        sections=tuple(sections),
    )


def render_atrs_csv(record: AtrsRecord) -> str:
    """Return a record as CSV, one line a field, in which no text is taken for a formula.

    A text that begins like a formula is given an apostrophe in front, as OWASP advises.
    """
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for value in record.values:
        field = value.field
        row = (
            field.number,
            field.key,
            field.title,
            {0: "metadata", 1: "1", 2: "2"}[field.tier],
            _filled_by(value),
            _state_of(value),
            value.text,
            value.author,
            value.at.isoformat(timespec="seconds") if value.at else "",
            "" if value.event is None else str(value.event),
        )
        writer.writerow([_plain(cell) for cell in row])
    return target.getvalue()


def render_atrs_form(record: AtrsRecord) -> str:
    """Return what people have to write as YAML, with what each field asks above it.

    A draft stands as a comment: whoever takes it over does so on purpose.
    """
    lines = [
        f"# ATRS record of {record.model} (standard {record.standard_version}). Fill in what you",
        "# know, leave the rest empty, and give it back:",
        f"#   civicbench atrs edit {record.model} --from THIS-FILE --as YOUR-NAME",
        "",
    ]
    for value in record.values:
        field = value.field
        if field.filled_by == "measured":
            continue
        title = f"{field.number} {field.title}".strip()
        lines.append(f"# {title}{_need(value)}: {field.asks}")
        lines += [f"#   {line}" for line in visible(value.note).splitlines()]
        text = visible(value.text)
        entry = yaml.safe_dump({field.key: text}, allow_unicode=True, width=100).rstrip()
        if value.status == "drafted":
            lines.append("# A draft. Take the # away from the lines below to take it over:")
            lines += [f"#{line}" for line in entry.splitlines()] + [""]
        else:
            lines += [entry if text else f"{field.key}:", ""]
    return "\n".join(lines)


def read_atrs_form(path: Path) -> dict[str, str]:
    """Return the texts of a filled-in form by key; fields that are empty are left out.

    Everything is read as text: `no` stays "no", and a number keeps its leading noughts.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: It is no YAML mapping of texts, or a field stands twice.
    """
    try:
        node = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InvalidInputError("is not YAML", where=str(path), got=str(error)) from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise InvalidInputError("is no list of FIELD: text", where=str(path))
    texts: dict[str, str] = {}
    for key, value in node.value:
        where = f"{path}, line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            raise InvalidInputError("is no FIELD: text", where=where)
        if key.value in texts:
            raise InvalidInputError(f"the field {key.value} stands twice", where=where)
        if value.value.strip():
            texts[key.value] = value.value.strip()
    return texts


def _need(value: AtrsValue) -> str:
    if value.needed:
        return ""
    return f" (only if {value.field.only_if})" if value.field.only_if else " (may stay empty)"


def _state(record: AtrsRecord) -> Section:
    missing, drafts = missing_fields(record), unread_drafts(record)
    blocks: list[Block] = [
        Paragraph(
            "This record follows the UK Algorithmic Transparency Recording Standard. What is "
            "marked as measured follows from the version's evidence; what is marked as a draft "
            "was proposed from it and has not been read by a person yet."
        ),
        Pairs(
            (
                ("Standard", words(f"version {record.standard_version}")),
                ("Model", words(f"{record.model} version {record.number}")),
                ("Digest of the evidence", code(record.version)),
                ("Still to be written", words(count_of(len(missing), "field"))),
                ("Drafts nobody has taken over", words(count_of(len(drafts), "field"))),
            )
        ),
    ]
    if missing:
        named = ", ".join(f"{field.number} {field.title}".strip() for field in missing)
        blocks.append(Caution(f"Not to be published as it is. Still to be written: {named}."))
    return Section("state", "State of this record", tuple(blocks))


def _section(title: str, values: tuple[AtrsValue, ...]) -> Section:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            (
                Words(f"{value.field.number} {value.field.title}".strip()),
                _tag(value),
                *_written(value),
            ),
            _text(value),
        )
        for value in values
    )
    name = "".join(c if c.isalnum() else "-" for c in title.lower()).strip("-")
    return Section(
        "-".join(part for part in name.split("-") if part),
        title,
        (Table(title, ("Field", "Text"), rows),),
    )


def _text(value: AtrsValue) -> Cell:
    shown: list[Words] = [Words(line) for line in value.text.splitlines() if line.strip()]
    if not shown:
        shown = [Words(value.field.asks, "hint")]
    return (*shown, *(Words(line, "hint") for line in value.note.splitlines()))


def _tag(value: AtrsValue) -> Tag:
    if value.missing:
        return Tag("to be written", "red")
    if not value.text:
        return Tag("not needed", "grey")
    return Tag(_state_of(value), _COLOURS[value.status])


def _written(value: AtrsValue) -> tuple[Words, ...]:
    if value.at is None:
        return ()
    return (Words(f"{value.author}, {value.at:%Y-%m-%d %H:%M} UTC, event {value.event}", "hint"),)


def _filled_by(value: AtrsValue) -> str:
    return "a person" if value.field.filled_by == "person" else value.field.filled_by


def _state_of(value: AtrsValue) -> str:
    if value.missing:
        return "to be written"
    if not value.text:
        return "not needed"
    return {"measured": "measured", "drafted": "draft", "person": "written"}[value.status]


def _plain(text: str) -> str:
    shown = visible(text)
    formula = shown.startswith(_FORMULA) or shown.lstrip().startswith(_FORMULA)
    return f"'{shown}" if formula else shown
