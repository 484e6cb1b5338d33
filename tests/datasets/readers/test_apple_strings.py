from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.readers.reading import read

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.apple_strings import unescape

CONTENT = r"""/* A comment
   over "two" lines; */
"greeting" = "Say \"hi\"\nagain";  // trailing
bare.key = "bare";
"url" = "https://example.gov.uk/a//b /* no comment */";
"accent" = "caf\U00e9";
"multi" = "line one
line two";
"""


def strings(
    tmp_path: Path,
    *contents: str | bytes,
    encoding: str = "utf-8",
    settings: dict[str, str] | None = None,
):
    languages = ["en", "cy", "ar"][: len(contents)]
    files = {}
    for language, content in zip(languages, contents, strict=True):
        files[language] = tmp_path / f"{language}.lproj" / "Localizable.strings"
        files[language].parent.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else content.encode(encoding)
        files[language].write_bytes(raw)
    return read({"reader": "apple-strings", "languages": languages, **(settings or {})}, files)


def texts(records, language: str = "en") -> dict:
    return {record.fields["key"]: record.fields[language] for record in records}


def test_comments_escapes_and_lines(tmp_path: Path) -> None:
    records, malformed = strings(tmp_path, CONTENT)
    assert malformed == []
    assert texts(records) == {
        "greeting": 'Say "hi"\nagain',
        "bare.key": "bare",
        "url": "https://example.gov.uk/a//b /* no comment */",
        "accent": "café",
        "multi": "line one\nline two",
    }
    assert records[0].place == "Localizable.strings:3"
    assert records[-1].place == "Localizable.strings:7"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_encodings_that_xcode_writes(tmp_path: Path, encoding: str) -> None:
    records, _ = strings(tmp_path, CONTENT, encoding=encoding)
    assert texts(records)["accent"] == "café"


def test_utf_16_without_a_mark_is_read_where_it_is_declared(tmp_path: Path) -> None:
    content = CONTENT.encode("utf-16-le")
    records, _ = strings(tmp_path, content, settings={"encoding": "utf-16"})
    assert texts(records)["accent"] == "café"
    with pytest.raises(InvalidInputError, match="declare `encoding: utf-16`"):
        strings(tmp_path, content)


def test_several_languages_tell_their_files_apart(tmp_path: Path) -> None:
    arabic = '"a" = "مرحبا";\n"only" = "نص";'
    records, malformed = strings(
        tmp_path, '"a" = "Hello";', '"a" = "Helo";\n"a" = "Shwmae";', arabic
    )
    assert records[0].fields == {
        "key": "a",
        "en": "Hello",
        "cy": "Shwmae",
        "ar": "مرحبا",
        "file": "en.lproj/Localizable.strings",
    }
    assert records[1].place == "ar.lproj/Localizable.strings:2"
    assert [one.place for one in malformed] == ["cy.lproj/Localizable.strings:1"]


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ('"bad" = "no end\n', "no ;"),
        ('"bad" "no equals";\n', "no ="),
        ('"bad" = "no semicolon"\n', "no ;"),
        ('"bad" = "a "quote" inside";\n', "no ;"),
        ('"bad" = ;\n', 'no "text"'),
        ("%%%\n", "neither"),
    ],
)
def test_a_broken_statement_costs_itself_alone(tmp_path: Path, broken: str, problem: str) -> None:
    content = f'"first" = "1";\n{broken}"last" = "2";\n"more" = "3";\n'
    records, malformed = strings(tmp_path, content)
    assert {"first", "more"} <= texts(records).keys()
    assert malformed[0].place == "Localizable.strings:2"
    assert problem in malformed[0].problem


@pytest.mark.timeout(20)  # seconds; less than one where time is linear
def test_a_comment_or_quote_without_an_end_is_listed_in_linear_time(tmp_path: Path) -> None:
    content = '"a" = "1";\n' + '"x /* \n' * 50_000
    records, malformed = strings(tmp_path, content)
    assert texts(records) == {"a": "1"}
    assert malformed


def test_nuls_and_bad_bytes_cost_their_entry(tmp_path: Path) -> None:
    records, malformed = strings(tmp_path, b'"a" = "x\\0y";\n"b" = "caf\xe9";\n"c" = "fine";\n')
    assert texts(records) == {"c": "fine"}
    assert len(malformed) == 2


@pytest.mark.parametrize("content", [b"bplist00\xd1\x01", b"{json: 1}", b"\x89PNG\r\n"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        strings(tmp_path, content)


def test_octal_escapes_are_latin_1() -> None:
    assert unescape(r"caf\351") == "café"


def test_surrogate_escapes_are_joined() -> None:
    assert unescape(r"\Ud83d\Ude00") == "\U0001f600"


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")))
def test_escaping_round_trips(text: str) -> None:
    assert unescape(escape(text)) == text


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")),
        min_size=1,
    ),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_whole_files_round_trip(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str], encoding: str
) -> None:
    content = "".join(f'"{escape(key)}" = "{escape(text)}";\n' for key, text in entries.items())
    folder = tmp_path_factory.mktemp("strings")
    records, malformed = strings(folder, content, encoding=encoding)
    assert malformed == []
    assert texts(records) == entries
