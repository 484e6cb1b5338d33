from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.readers.reading import read, reader_of

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.play_messages import unescape, unquote

ENGLISH = r"""# A comment with = in it
date.day = Day
  indented.key=  Kept text
multi.line=one \
two
breaks=first\nsecond
path=C:\\files
other=\x
apostrophe=You can''t do {0}
quoted=Use '{braces}' here
lone=Don't do {0}
empty=
"""
WELSH = "date.day=Diwrnod\nonly.welsh=Dim ond\n"


def pair(tmp_path: Path, english: str | bytes, welsh: str | bytes = WELSH, **options: str):
    files = {"en": tmp_path / "messages", "cy": tmp_path / "messages.cy"}
    for path, text in zip(files.values(), (english, welsh), strict=True):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read({"reader": "play-messages", **options}, files)


def english(records) -> dict:
    return {record.fields["key"]: record.fields["en"] for record in records}


def test_keys_are_joined_and_escapes_resolved_as_play_does(tmp_path: Path) -> None:
    records, malformed = pair(tmp_path, ENGLISH)
    assert malformed == []
    assert english(records) == {
        "date.day": "Day",
        "indented.key": "Kept text",
        "multi.line": "one two",
        "breaks": "first\nsecond",
        "path": "C:\\files",
        "other": "\\x",
        "apostrophe": "You can't do {0}",
        "quoted": "Use {braces} here",
        "lone": "Don't do {0}",
        "empty": "",
        "only.welsh": None,
    }
    assert records[0].fields == {
        "key": "date.day",
        "en": "Day",
        "cy": "Diwrnod",
        "file": "messages",
    }
    assert records[0].place == "messages:2"
    assert records[3].place == "messages:6"
    assert records[-1].place == "messages.cy:2"


def test_apostrophes_can_stay_as_written(tmp_path: Path) -> None:
    records, _ = pair(tmp_path, ENGLISH, apostrophes="as-written")
    assert english(records)["apostrophe"] == "You can''t do {0}"


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_line_ends_of_every_system(tmp_path: Path, ending: str) -> None:
    records, malformed = pair(tmp_path, ENGLISH.replace("\n", ending))
    assert malformed == []
    assert english(records)["multi.line"] == "one two"


def test_a_doubled_key_is_listed_and_the_last_counts(tmp_path: Path) -> None:
    records, malformed = pair(tmp_path, "a=first\nb=x\na=last\n")
    assert english(records)["a"] == "last"
    assert [(one.place, one.got) for one in malformed] == [("messages:1", "first")]
    assert "messages:3" in malformed[0].problem


def test_broken_lines_bad_bytes_and_nuls_are_listed_with_their_places(tmp_path: Path) -> None:
    content = b"good=1\nno equals sign\nbad=caf\xe9\nnul=a\0b\nb\xc3\xa4d.key=x\nlast=2\n"
    records, malformed = pair(tmp_path, content, b"good=1\n")
    assert english(records) == {"good": "1", "last": "2"}
    assert [one.place for one in malformed] == [
        "messages:2",
        "messages:5",
        "messages:3",
        "messages:4",
    ]
    assert "\\udce9" in malformed[2].got
    assert "\\x00" in malformed[3].got


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    records, _ = pair(tmp_path, b"\xef\xbb\xbfa=1\n", "a=1\n".encode("utf-16"))
    assert records[0].fields["key"] == "a"
    assert records[0].fields["cy"] == "1"


def test_files_of_a_declared_encoding(tmp_path: Path) -> None:
    records, malformed = pair(tmp_path, b"a=\xa35", b"a=\xa35", encoding="cp1252")
    assert english(records) == {"a": "£5"}
    assert malformed == []


def test_right_to_left_text_is_kept_as_it_is(tmp_path: Path) -> None:
    text = "\u200fمرحبا {0}، أهلاً\u200f"
    records, _ = pair(tmp_path, f"a={text}\n")
    assert english(records)["a"] == text


def test_a_last_line_that_continues_into_nothing_is_read(tmp_path: Path) -> None:
    records, malformed = pair(tmp_path, "a=one\\")
    assert english(records)["a"] == "one"
    assert malformed == []


@pytest.mark.parametrize("content", ["", "# only a comment\n", "<html>\n</html>\n", "\x89PNG"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        pair(tmp_path, content)
    assert "messages" in str(caught.value)


def test_a_language_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cy"):
        list(reader_of({"reader": "play-messages"}).read({"en": tmp_path / "messages"}))


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_escaping_round_trips(text: str) -> None:
    assert unescape(escape(text)) == text.strip()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}")))
def test_doubled_apostrophes_round_trip(text: str) -> None:
    assert unquote(text.replace("'", "''")) == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1))
def test_whole_files_round_trip(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    lines = "".join(f"k{n}={escape(text)}\n" for n, text in enumerate(texts))
    records, malformed = pair(
        tmp_path_factory.mktemp("play"), lines, lines, apostrophes="as-written"
    )
    assert malformed == []
    assert list(english(records).values()) == [text.strip() for text in texts]
