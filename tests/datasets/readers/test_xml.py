"""XML from strangers: nothing is fetched, nothing expands, what breaks is listed."""

import socket
import tracemalloc
from pathlib import Path

import pytest
from tests.datasets.readers.reading import read_one, reader_of

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.record import Record

SPEECHES = {"reader": "parldata", "records": "speeches"}
NOTES = {"reader": "akoma-ntoso"}
BODY = '<publicwhip><speech id="a/2009-01-01a.1"><p>{}</p></speech></publicwhip>'
LAUGHS = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">' for n in range(10)
)


@pytest.mark.parametrize(
    ("doctype", "problem"),
    [
        (f"<!DOCTYPE publicwhip [{LAUGHS}]>", "more than one character"),
        ('<!DOCTYPE publicwhip [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "external"),
        ('<!DOCTYPE publicwhip [<!ENTITY x SYSTEM "http://192.0.2.1/x">]>', "external"),
        ('<!DOCTYPE publicwhip SYSTEM "http://192.0.2.1/x.dtd">', "not fetched"),
        ('<!DOCTYPE publicwhip PUBLIC "a" "file:///etc/passwd">', "not fetched"),
        ("<!DOCTYPE publicwhip [<!ENTITY % p \"<!ENTITY x 'y'>\"> %p;]>", "parameter entity"),
        ('<!DOCTYPE publicwhip [<!ENTITY % p SYSTEM "http://192.0.2.1/x"> %p;]>', "parameter"),
        ('<!DOCTYPE publicwhip [<!ENTITY x "' + "y" * 100_000 + '">]>', "more than one character"),
    ],
)
def test_bombs_and_outside_parts_are_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctype: str, problem: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(InvalidInputError, match=problem) as caught:
        read_one(SPEECHES, doctype + BODY.format("&x;"), tmp_path)
    assert "file.txt:1" in str(caught.value)


def test_entities_of_one_character_are_read_in_parldata_and_refused_in_notes(
    tmp_path: Path,
) -> None:
    doctype = '<!DOCTYPE publicwhip [<!ENTITY pound "&#163;">]>'
    records, _ = read_one(SPEECHES, doctype + BODY.format("&pound;5 &amp; more"), tmp_path)
    assert records[0].fields["text"] == "£5 & more"
    with pytest.raises(InvalidInputError, match="document type"):
        read_one(NOTES, "<!DOCTYPE akomaNtoso []><akomaNtoso><doc/></akomaNtoso>", tmp_path)


def test_an_entity_that_nobody_declared_breaks_the_file_there(tmp_path: Path) -> None:
    content = BODY.replace("</publicwhip>", "\n<speech><p>&nbsp;</p></speech></publicwhip>")
    records, malformed = read_one(SPEECHES, content.format("fine"), tmp_path)
    assert len(records) == 1
    assert malformed[0].place == "file.txt:2"
    assert "undefined entity" in malformed[0].problem


@pytest.mark.parametrize("settings", [SPEECHES, NOTES])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not XML"),
        (b"not xml", "not XML"),
        (b'{"json": 1}', "not XML"),
        (b"\x89PNG\r\n", "not XML"),
        (b"<html><body>x</body></html>", "root is html"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "not XML"),
    ],
)
def test_a_file_of_another_format_is_refused(
    tmp_path: Path, settings: dict, content: bytes, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read_one(settings, content, tmp_path)


def test_a_tower_of_elements_is_refused(tmp_path: Path) -> None:
    tower = "<a>" * 100_000
    with pytest.raises(InvalidInputError, match="deeper"):
        read_one(SPEECHES, f"<publicwhip>{tower}", tmp_path)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8", "utf-16", "windows-1252"])
def test_declared_encodings(tmp_path: Path, encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?>' + BODY.format("Caffè £5")
    records, _ = read_one(SPEECHES, content.encode(encoding), tmp_path)
    assert records[0].fields["text"] == "Caffè £5"


def test_a_long_file_streams(tmp_path: Path) -> None:
    path = tmp_path / "long.xml"
    with path.open("w") as stream:
        stream.write("<publicwhip>")
        stream.writelines(
            f'<speech id="x/2009-01-01a.{n}"><p>{"word " * 20}</p></speech>\n'
            for n in range(20_000)
        )
        stream.write("</publicwhip>")
    items = reader_of(SPEECHES).read({"file": path})
    next(items)
    tracemalloc.start()
    count = sum(isinstance(item, Record) for item in items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 19_999
    assert peak < 3_000_000
