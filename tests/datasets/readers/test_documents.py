"""JSON and YAML documents with records at a pattern."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.datasets.readers.reading import read_one, reader_of

from civicbench.core.errors import InvalidInputError

NESTED = {
    "title": "Rules",
    "parts": {"1": {"name": "One", "items": [{"t": "a"}, {"t": "b"}]}, "2/x": {"items": []}},
}


@pytest.mark.parametrize("reader", ["json", "yaml"])
def test_a_pattern_finds_records_with_what_stands_above_them(tmp_path: Path, reader: str) -> None:
    settings = {"reader": reader, "records": "/parts/*/items/*", "ancestors": True}
    records, malformed = read_one(settings, json.dumps(NESTED), tmp_path)
    assert malformed == []
    assert [record.fields for record in records] == [
        {"level1.title": "Rules", "parts.key": "1", "parts.name": "One", "t": letter}
        for letter in "ab"
    ]
    assert records[1].place == "file.txt#/parts/1/items/1"


@pytest.mark.parametrize("reader", ["json", "yaml"])
def test_a_whole_document_is_one_record_by_the_empty_pattern(tmp_path: Path, reader: str) -> None:
    records, _ = read_one({"reader": reader, "records": ""}, json.dumps(NESTED), tmp_path)
    assert records[0].fields == {
        "title": "Rules",
        "parts.1.name": "One",
        "parts.1.items": '[{"t": "a"}, {"t": "b"}]',
        "parts.2/x.items": "",
    }


@pytest.mark.parametrize("reader", ["json", "yaml"])
def test_scalars_become_the_field_value(tmp_path: Path, reader: str) -> None:
    settings = {"reader": reader, "records": "/*/*", "ancestors": True}
    records, _ = read_one(settings, '{"kind": ["x", "y"]}', tmp_path)
    assert [record.fields for record in records] == [
        {"level1.key": "kind", "value": "x"},
        {"level1.key": "kind", "value": "y"},
    ]


@pytest.mark.parametrize("reader", ["json", "yaml"])
def test_a_pattern_that_meets_nothing_is_refused(tmp_path: Path, reader: str) -> None:
    with pytest.raises(InvalidInputError, match="no record"):
        read_one({"reader": reader, "records": "/absent/*"}, '{"a": [1]}', tmp_path)
    with pytest.raises(ValidationError):
        reader_of({"reader": reader, "records": "no-slash"})


def test_a_malformed_element_is_listed_and_the_array_goes_on(tmp_path: Path) -> None:
    content = '[{"a": 1}, {"a": 1, "a": 2}, {"a": NaN}, {"a": "x\\u0000"}, {"a": 5}]'
    records, malformed = read_one({"reader": "json"}, content, tmp_path)
    assert [record.fields["a"] for record in records] == [1, 5]
    assert [one.place[-3:] for one in malformed] == ["#/1", "#/2", "#/3"]


@pytest.mark.parametrize(
    "tail", ["", ",", ', {"a": ', ', {"a" 2}]', ' {"a": 2}]', "] more", ",]", ', {"a": "x']
)
def test_an_array_that_breaks_gives_what_stood_before_and_the_place(
    tmp_path: Path, tail: str
) -> None:
    records, malformed = read_one({"reader": "json"}, '[{"a": 1}' + tail, tmp_path)
    assert [record.fields["a"] for record in records] == [1]
    assert [one.place for one in malformed] == ["file.txt#/1"]


@pytest.mark.parametrize("content", ["", "nothing", "[", "{", "[1, 2", "'a'", '{"a": 1} x'])
def test_what_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    settings = {"reader": "json", "records": "/*/x"}
    with pytest.raises(InvalidInputError):
        read_one(settings, content, tmp_path)


def test_a_doubled_key_in_a_document_is_listed(tmp_path: Path) -> None:
    settings = {"reader": "json", "records": "/rows/*"}
    records, malformed = read_one(settings, '{"rows": [1], "rows": [2]}', tmp_path)
    assert records[0].fields == {"value": 2}
    assert "stands twice" in malformed[0].problem


def test_a_long_array_streams(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    with path.open("w") as stream:
        stream.write("[")
        stream.writelines(f'{{"id": {n}, "text": "{"word " * 20}"}},\n' for n in range(50_000))
        stream.write("{}]")
    items = reader_of({"reader": "json"}).read({"file": path})
    next(items)
    tracemalloc.start()
    count = sum(1 for _ in items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 3_000_000


@given(
    st.lists(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-1000, 1000)
            | st.text('ab"\\[]{}, \n', max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner),
        ),
        min_size=1,
    ),
    st.sampled_from([None, 1]),
)
def test_a_streamed_array_holds_what_the_whole_document_holds(
    tmp_path_factory: pytest.TempPathFactory, values: list, indent: int | None
) -> None:
    folder = tmp_path_factory.mktemp("json")
    text = json.dumps(values, indent=indent)
    streamed = read_one({"reader": "json", "records": "/*"}, text, folder)
    whole = read_one({"reader": "json", "records": "/rows/*"}, f'{{"rows": {text}}}', folder)
    assert [one.fields for one in streamed[0]] == [one.fields for one in whole[0]]
    assert len(streamed[1]) == len(whole[1])


def test_elements_across_chunks_are_whole(tmp_path: Path) -> None:
    values = [{"a": "x" * size, "n": size} for size in (70_000, 1, 65_536, 200_000, 3)]
    records, malformed = read_one({"reader": "json"}, json.dumps(values), tmp_path)
    assert malformed == []
    assert [record.fields for record in records] == values


def test_numbers_across_chunks_are_whole(tmp_path: Path) -> None:
    values = list(range(1_000_000, 1_020_000))
    records, malformed = read_one({"reader": "json"}, json.dumps(values), tmp_path)
    assert malformed == []
    assert [record.fields["value"] for record in records] == values


def test_yaml_scalars_keep_what_a_person_wrote(tmp_path: Path) -> None:
    content = (
        "- {time: 12:30, octal: 0755, date: 2020-01-02, whole: -7, part: 1.5, 'no': no,\n"
        "   nothing: ~, hex: 0x1F, big: 123456789012345678901234567890, phone: 01632 960000}\n"
    )
    records, malformed = read_one({"reader": "yaml"}, content, tmp_path)
    assert malformed == []
    assert records[0].fields == {
        "time": "12:30",
        "octal": "0755",
        "date": "2020-01-02",
        "whole": -7,
        "part": 1.5,
        "no": False,
        "nothing": None,
        "hex": "0x1F",
        "big": "123456789012345678901234567890",
        "phone": "01632 960000",
    }


def test_a_doubled_yaml_key_is_listed_with_its_line(tmp_path: Path) -> None:
    records, malformed = read_one({"reader": "yaml"}, "- a: 1\n  b: 2\n  a: 3\n", tmp_path)
    assert records[0].fields == {"b": 2, "a": 3}
    assert [(one.place, one.got) for one in malformed] == [("file.txt:1", "1")]
