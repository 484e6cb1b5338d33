import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.readers.reading import read, read_one, reader_of

from civicbench.core.errors import InvalidInputError, PartAbsentError

LINES = {"reader": "jsonl"}


def test_nested_values_become_flat_fields(tmp_path: Path) -> None:
    row = {
        "id": 1,
        "tags": ["a", "b"],
        "in": {"x": True, "y": [{"z": None}]},
        "none": None,
        "e": [],
    }
    records, malformed = read_one(LINES, json.dumps(row) + "\n", tmp_path)
    assert malformed == []
    assert records[0].fields == {
        "id": 1,
        "tags": "a; b",
        "in.x": True,
        "in.y": '[{"z": null}]',
        "none": None,
        "e": "",
    }


def test_levels_keep_deeper_mappings_as_json(tmp_path: Path) -> None:
    records, _ = read_one(
        {**LINES, "levels": 1, "joiner": "|"}, '{"a": {"b": 1}, "c": [1, 2]}', tmp_path
    )
    assert records[0].fields == {"a": '{"b": 1}', "c": "1|2"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"a": 1', "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ('{"a": {"b": 1, "b": 2}}', "stands twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 99999999999999999999}', "64 bits"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        (r'{"a": "\ud800"}', "surrogate"),
        (r'{"a": "x\u0000y"}', "NUL"),
        (r'{"a\u0000": "x"}', "name"),
        ('{"a.b": 1, "a": {"b": 2}}', "both be named"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "deeply"),
        ('{"a":' * 150 + "1" + "}" * 150, "deeper"),
        ('{"a": 1} {"a": 2}', "more after"),
        ("{'a': 1}", "not JSON"),
    ],
)
def test_a_malformed_line_is_listed_and_reading_goes_on(
    tmp_path: Path, line: str, problem: str
) -> None:
    content = f'{{"a": "before"}}\n\n{line}\n{{"a": "after"}}\n'
    records, malformed = read_one(LINES, content, tmp_path)
    assert [record.fields["a"] for record in records] == ["before", "after"]
    assert [record.place for record in records] == ["file.txt:1", "file.txt:4"]
    assert malformed[0].place == "file.txt:3"
    assert problem in malformed[0].problem
    assert len(malformed[0].got) <= 200


def test_bad_bytes_marks_and_line_ends(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"a": "one"}\r\n{"a": "caf\xe9"}\r\n{"a": "two\xe2\x80\xa8lines"}\r\n'
    records, malformed = read_one(LINES, content, tmp_path)
    assert [record.fields["a"] for record in records] == ["one", "two\u2028lines"]
    assert [one.place for one in malformed] == ["file.txt:2"]


@pytest.mark.parametrize(
    "content", ["", "\n\n", "<html>", "a,b\n1,2\n", "not json\n" * 150 + '{"a": 1}']
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InvalidInputError):
        read_one(LINES, content, tmp_path)


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(PartAbsentError, match=path.name):
            read(LINES, {"file": path})
    with pytest.raises(InvalidInputError, match="file"):
        read(LINES, {"other": tmp_path})


def test_a_long_file_streams(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("w") as stream:
        stream.writelines(f'{{"id": {n}, "text": "{"word " * 20}"}}\n' for n in range(50_000))
    items = reader_of(LINES).read({"file": path})
    next(items)
    tracemalloc.start()
    count = sum(1 for _ in items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 49_999
    assert peak < 2_000_000


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 63) - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        min_size=1,
    ),
    st.booleans(),
)
def test_flat_objects_round_trip(
    tmp_path_factory: pytest.TempPathFactory, row: dict, escaped: bool
) -> None:
    folder = tmp_path_factory.mktemp("jsonl")
    records, malformed = read_one(LINES, json.dumps(row, ensure_ascii=escaped), folder)
    assert malformed == []
    assert records[0].fields == row
