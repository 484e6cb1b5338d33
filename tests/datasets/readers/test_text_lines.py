from pathlib import Path

import pytest
from tests.datasets.readers.reading import read_one

from civicbench.core.errors import InvalidInputError


def test_lines(tmp_path: Path) -> None:
    records, malformed = read_one({"reader": "text"}, "one\r\n\r\ntwo\u2028three\nfour", tmp_path)
    assert [(one.place, one.fields["text"]) for one in records] == [
        ("file.txt:1", "one"),
        ("file.txt:3", "two\u2028three"),
        ("file.txt:4", "four"),
    ]
    assert malformed == []


def test_records_of_several_lines(tmp_path: Path) -> None:
    content = "stray\n<BEGIN><x>\nline\n\nmore\n\n<BEGIN><y>\nlast\n"
    records, malformed = read_one({"reader": "text", "begins_with": "<BEGIN>"}, content, tmp_path)
    assert [one.fields["text"] for one in records] == [
        "<BEGIN><x>\nline\n\nmore",
        "<BEGIN><y>\nlast",
    ]
    assert [one.place for one in records] == ["file.txt:2", "file.txt:7"]
    assert [(one.place, one.got) for one in malformed] == [("file.txt:1", "stray")]


def test_a_line_of_bad_bytes_is_listed(tmp_path: Path) -> None:
    records, malformed = read_one({"reader": "text"}, b"fine\n\xff\xfe bad\n", tmp_path)
    assert len(records) == len(malformed) == 1
    assert malformed[0].place == "file.txt:2"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x1f\x8b\x08", b"GIF89a\0\0\0\0"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_one({"reader": "text"}, content, tmp_path)
