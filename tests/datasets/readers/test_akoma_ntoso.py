from pathlib import Path

import pytest
from tests.datasets.readers.reading import read_one

from civicbench.core.errors import InvalidInputError

NOTES = {"reader": "akoma-ntoso"}
HEAD = """<?xml version="1.0"?>
<akomaNtoso xmlns="http://docs.oasis-open.org/legaldocml/ns/akn/3.0"><doc><meta>
<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">Explanatory Notes for Test Act 2020</dc:title>
<u:Legislation xmlns:u="u" URI="http://www.legislation.gov.uk/id/ukpga/2020/1"/></meta>
<mainBody><toc><tocItem>Contents</tocItem></toc>
<section><heading>Commentary</heading>
"""
TAIL = "</section></mainBody></doc></akomaNtoso>"


def line(text: str) -> str:
    return f"<level><content><p>{text}</p></content></level>\n"


def paragraph(number: str, text: str) -> str:
    return f"<paragraph><num>{number}</num><content><p>{text}</p></content></paragraph>\n"


def notes(tmp_path: Path, body: str, tail: str = TAIL):
    return read_one(NOTES, HEAD + body + tail, tmp_path, name="notes.akn")


def test_a_provision_has_its_heading_path_and_text(tmp_path: Path) -> None:
    body = (
        line("Part 1: Dogs")
        + line("Section 1: <b>Dog</b> abduction")
        + paragraph("15", "Subsection (1) establishes <i>an</i> offence.")
        + paragraph("•", "A point.")
        + line("Penalties")
        + paragraph("16", "A fine<authorialNote><p>of level 3</p></authorialNote> may follow.")
        + "<table><tr><th>Part</th><th>Extent</th></tr><tr><td>1</td><td>UK</td></tr></table>"
        + line("Section 2A: Inserted")
        + paragraph("17", "It is put in.")
        + line("Section 2: Cats")
        + paragraph("18", "Likewise.")
    )
    records, malformed = notes(tmp_path, body)
    assert malformed == []
    assert records[0].fields == {
        "title": "Explanatory Notes for Test Act 2020",
        "act": "http://www.legislation.gov.uk/id/ukpga/2020/1",
        "path": "Commentary > Part 1: Dogs",
        "heading": "Section 1: Dog abduction",
        "provision": "section 1",
        "paragraphs": "15; 16",
        "text": "Subsection (1) establishes an offence.\n\n• A point.\n\nPenalties\n\n"
        "A fine (footnote: of level 3) may follow.\n\nPart | Extent\n1 | UK",
    }
    assert records[0].place == "notes.akn@Section 1: Dog abduction"
    assert records[1].fields["provision"] == "section 2A"
    assert records[1].fields["path"] == "Commentary > Part 1: Dogs > Section 1: Dog abduction"
    assert records[2].fields["path"] == "Commentary > Part 1: Dogs"


def test_a_schedules_parts_do_not_end_the_acts(tmp_path: Path) -> None:
    body = (
        line("Part 3: Final")
        + line("Schedule 1: Repeals")
        + paragraph("1", "It repeals.")
        + line("Part 2: Old Acts")
        + paragraph("2", "These go.")
        + line("Part 4: Last")
        + paragraph("3", "It ends.")
    )
    records, _ = notes(tmp_path, body)
    assert [(one.fields["heading"], one.fields["provision"]) for one in records] == [
        ("Schedule 1: Repeals", "schedule 1"),
        ("Part 4: Last", None),
    ]
    assert records[0].fields["text"] == "It repeals.\n\nPart 2: Old Acts\n\nThese go."


def test_a_sentence_is_no_heading(tmp_path: Path) -> None:
    records, _ = notes(tmp_path, line("This is a sentence.") + paragraph("1", "More."))
    assert [one.fields["heading"] for one in records] == ["Commentary"]
    assert records[0].fields["text"] == "This is a sentence.\n\nMore."


def test_a_file_that_breaks_is_listed_and_its_last_text_is_left_out(tmp_path: Path) -> None:
    body = line("Section 1: One") + paragraph("1", "Whole.") + line("Section 2: Two")
    records, malformed = notes(tmp_path, body + paragraph("2", "Cut"), tail="</oops>")
    assert [one.fields["provision"] for one in records] == ["section 1"]
    assert malformed[0].place == "notes.akn:11"
    assert "mismatched tag" in malformed[0].problem


def test_notes_without_any_document_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        read_one(NOTES, "<akomaNtoso/>", tmp_path)
