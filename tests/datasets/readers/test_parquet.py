import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.datasets.readers.reading import read, read_one

from civicbench.core.errors import InvalidInputError


def write(path: Path, columns: dict, **options) -> dict[str, Path]:
    pq.write_table(pa.table(columns), path, **options)
    return {"file": path}


def test_rows_are_read_in_batches_with_plain_values(tmp_path: Path) -> None:
    files = write(
        tmp_path / "a.parquet",
        {
            "id": [1, 2, 3],
            "text": ["one", "dau", None],
            "tags": [["x", "y"], [], ["z"]],
            "inner": [{"n": 1.5}, {"n": 2.5}, {"n": None}],
            "day": [datetime.date(2020, 1, day) for day in (1, 2, 3)],
            "money": [decimal.Decimal("1.10")] * 3,
        },
    )
    records, malformed = read({"reader": "parquet", "batch_rows": 2}, files)
    assert malformed == []
    assert records[0].fields == {
        "id": 1,
        "text": "one",
        "tags": "x; y",
        "inner.n": 1.5,
        "day": "2020-01-01",
        "money": "1.10",
    }
    assert records[2].fields["text"] is None
    assert [record.place for record in records] == [f"a.parquet:{n}" for n in (1, 2, 3)]


def test_columns_are_chosen_and_an_absent_one_is_named(tmp_path: Path) -> None:
    files = write(tmp_path / "a.parquet", {"id": [1], "text": ["x"]})
    records, _ = read({"reader": "parquet", "columns": ["text"]}, files)
    assert records[0].fields == {"text": "x"}
    with pytest.raises(InvalidInputError, match="no such column"):
        read({"reader": "parquet", "columns": ["text", "label"]}, files)


def test_values_that_are_no_text_are_listed_with_their_row(tmp_path: Path) -> None:
    files = write(
        tmp_path / "a.parquet",
        {"id": [1, 2, 3], "raw": [None, b"\x00\x01", None], "x": [1.0, 2.0, float("nan")]},
    )
    records, malformed = read({"reader": "parquet"}, files)
    assert [record.fields["id"] for record in records] == [1]
    assert [one.place for one in malformed] == ["a.parquet:2", "a.parquet:3"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"a,b\n1,2\n"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInputError, match="not a Parquet file"):
        read_one({"reader": "parquet"}, content, tmp_path)


def test_a_damaged_page_is_listed_and_ends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(
        path,
        {"id": list(range(20_000)), "text": [f"row {n}" for n in range(20_000)]},
        row_group_size=5_000,
        compression="snappy",
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2_000] = b"\xff" * 2_000
    path.write_bytes(bytes(content))
    records, malformed = read({"reader": "parquet"}, {"file": path})
    assert 0 < len(records) < 20_000
    assert malformed
