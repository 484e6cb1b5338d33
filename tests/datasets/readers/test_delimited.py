import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.datasets.readers.reading import read_one, reader_of

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.record import Record

CSV = {"reader": "csv"}


def fields(records) -> list[dict]:
    return [record.fields for record in records]


def test_quotes_line_ends_and_delimiters_within_cells(tmp_path: Path) -> None:
    content = 'id,text\r\n1,"a ""b"", c\r\nd"\r\n\r\n2,plain\r\n'
    records, malformed = read_one(CSV, content, tmp_path)
    assert fields(records) == [{"id": "1", "text": 'a "b", c\r\nd'}, {"id": "2", "text": "plain"}]
    assert [record.place for record in records] == ["file.txt:2", "file.txt:5"]
    assert malformed == []


def test_ragged_and_empty_rows_are_listed_with_their_places(tmp_path: Path) -> None:
    content = "a,b\n1,2\n3\n4,5,6\n,\n7,8\n"
    records, malformed = read_one(CSV, content, tmp_path)
    assert fields(records) == [{"a": "1", "b": "2"}, {"a": "7", "b": "8"}]
    assert [one.place for one in malformed] == ["file.txt:3", "file.txt:4", "file.txt:5"]
    assert malformed[1].problem == "3 cells where there are 2 columns"
    assert malformed[1].got == "4,5,6"


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "¦"])
def test_any_delimiter_can_be_declared(tmp_path: Path, delimiter: str) -> None:
    content = f"a{delimiter}b\n1{delimiter}2,5\n"
    records, _ = read_one({**CSV, "delimiter": delimiter}, content, tmp_path)
    assert fields(records) == [{"a": "1", "b": "2,5"}]


@pytest.mark.parametrize("delimiter", ['"', "\n", "", ",,"])
def test_what_cannot_be_a_delimiter_is_refused(delimiter: str) -> None:
    with pytest.raises(ValidationError):
        reader_of({**CSV, "delimiter": delimiter})


def test_a_million_character_field_is_read(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    records, malformed = read_one(CSV, f'a,b\n1,"{long}"\n2,y\n', tmp_path)
    assert malformed == []
    assert records[0].fields["b"] == long
    assert records[1].fields["b"] == "y"


def test_a_field_over_the_declared_limit_costs_its_row(tmp_path: Path) -> None:
    content = f"a,b\n1,{'x' * 1001}\n2,y\n"
    records, malformed = read_one({**CSV, "maximum_cell_characters": 1000}, content, tmp_path)
    assert fields(records) == [{"a": "2", "b": "y"}]
    assert malformed[0].place == "file.txt:2"
    assert "limit" in malformed[0].problem


def test_limits_of_two_files_read_in_turn_do_not_mix(tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in paths:
        path.write_text(f"a,b\n1,x\n2,{'x' * 500}\n")
    limits = [1000, 100]
    readers = [
        reader_of({**CSV, "maximum_cell_characters": limit}).read({"file": path})
        for limit, path in zip(limits, paths, strict=True)
    ]
    items = [next(reader) for reader in (*readers, *readers)]
    assert [isinstance(item, Record) for item in items] == [True, True, True, False]


def test_a_quote_that_nobody_closes_is_listed_with_the_lines_that_it_took(tmp_path: Path) -> None:
    records, malformed = read_one(CSV, 'a,b\n1,2\n3,"open\n4,5\n', tmp_path)
    assert fields(records) == [{"a": "1", "b": "2"}]
    assert (malformed[0].place, malformed[0].got) == ("file.txt:3", "lines 3 to 4")


def test_quotes_can_be_characters_as_any_other(tmp_path: Path) -> None:
    settings = {**CSV, "delimiter": "\t", "quoted": False}
    records, malformed = read_one(settings, 'a\tb\n"x\ty" z\n', tmp_path)
    assert fields(records) == [{"a": '"x', "b": 'y" z'}]
    assert malformed == []


def test_nuls_and_bytes_of_another_encoding_cost_their_row(tmp_path: Path) -> None:
    content = b"a,b\nfine,1\ncaf\xe9,2\nnul\0,3\nfine,4\n"
    records, malformed = read_one(CSV, content, tmp_path)
    assert [record.fields["b"] for record in records] == ["1", "4"]
    assert [one.place for one in malformed] == ["file.txt:3", "file.txt:4"]
    assert "encoding" in malformed[0].problem
    assert "NUL" in malformed[1].problem


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        ("cp1252", "cp1252"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-8"),
        ("utf-16-le", "utf-16"),
        ("utf-8-sig", "cp1252"),
        ("iso-8859-1", "iso-8859-1"),
    ],
)
def test_encodings_and_byte_order_marks(tmp_path: Path, written: str, declared: str) -> None:
    content = "prix,côté\n£5,é\n".encode(written)
    records, malformed = read_one({**CSV, "encoding": declared}, content, tmp_path)
    assert fields(records) == [{"prix": "£5", "côté": "é"}]
    assert malformed == []


def test_utf_16_that_ends_within_a_character_costs_its_row(tmp_path: Path) -> None:
    content = "a,b\n1,2\n3,4".encode("utf-16")[:-1]
    records, malformed = read_one(CSV, content, tmp_path)
    assert fields(records) == [{"a": "1", "b": "2"}]
    assert len(malformed) == 1


def test_columns_without_a_name_get_one_and_declared_columns_replace_a_header(
    tmp_path: Path,
) -> None:
    records, _ = read_one(CSV, ",b,\n0,1,2\n", tmp_path)
    assert fields(records) == [{"column_1": "0", "b": "1", "column_3": "2"}]
    records, _ = read_one({**CSV, "columns": ["x", "y"]}, "0,1\n", tmp_path)
    assert fields(records) == [{"x": "0", "y": "1"}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"a,b\n", "no record"),
        (b"a,a\n1,2\n", "one name"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x00\x01\x02\x03" * 100, "NUL bytes"),
        (b"a,b\n" + b"one cell\n" * 200, "is not CSV"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_one(CSV, content, tmp_path)
    assert problem in str(caught.value)
    assert "file.txt" in str(caught.value)


def test_right_to_left_text_is_kept_as_it_is(tmp_path: Path) -> None:
    text = "\u202bشكراً، NHS\u202c"
    records, _ = read_one(CSV, f'a\n"{text}"\n', tmp_path)
    assert records[0].fields["a"] == text


def test_a_long_file_streams(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w") as stream:
        stream.write("id,text\n")
        stream.writelines(f"{number},{'word ' * 20}\n" for number in range(100_000))
    items = reader_of(CSV).read({"file": path})
    next(items)
    tracemalloc.start()
    count = sum(isinstance(item, Record) for item in items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 99_999
    assert peak < 2_000_000


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        ),
        min_size=1,
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_is_written_as_csv_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerows([("first", "second"), *rows])
    folder = tmp_path_factory.mktemp("csv")
    records, malformed = read_one({**CSV, "delimiter": delimiter}, stream.getvalue(), folder)
    assert malformed == []
    assert [tuple(record.fields.values()) for record in records] == rows
