"""Parquet, in batches."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.json_values import JsonValue
from civicbench.datasets.readers.reader import FileReader, Item
from civicbench.datasets.readers.record import Malformed, make_record
from civicbench.datasets.readers.selecting import Shape, flatten
from civicbench.datasets.readers.text import open_bytes


class Parquet(FileReader, Shape):
    """Reads a Parquet file; structures become fields named `outer.inner`."""

    reader: Literal["parquet"] = "parquet"
    """The reader's name."""
    columns: tuple[str, ...] | None = None
    """The columns to read; None reads all."""
    batch_rows: Annotated[int, Field(gt=0)] = 1024
    """Rows held at a time."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield a record a row, rows counted from 1. Dates and decimals become text."""
        # Imported here: pyarrow takes a moment, and settings are loaded by every command.
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]

        with open_bytes(path) as stream:
            try:
                file = pyarrow.parquet.ParquetFile(stream)
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise InvalidInputError(
                    "is not a Parquet file", where=str(path), got=str(error)[:200]
                ) from None
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                double = sorted({name for name in names if names.count(name) > 1})
                raise InvalidInputError(
                    "two columns have one name", where=str(path), got=", ".join(double),
                    remedy="write the file again with a name for each column",
                )  # fmt: skip
            missing = set(self.columns or ()) - set(names)
            if missing:
                raise InvalidInputError(
                    "has no such column", where=str(path), got=", ".join(sorted(missing))
                )
            columns = list(self.columns) if self.columns else None
            number = 0
            try:
                for batch in file.iter_batches(batch_size=self.batch_rows, columns=columns):
                    names = batch.schema.names
                    lists = [column.to_pylist() for column in batch.columns]
                    for values in zip(*lists, strict=True):
                        number += 1
                        yield self._record(path, number, dict(zip(names, values, strict=True)))
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                problem = "the rows from here on cannot be read"
                yield Malformed(f"{path.name}:{number + 1}", problem, str(error))

    def _record(self, path: Path, number: int, row: dict[str, Any]) -> Item:
        place = f"{path.name}:{number}"
        try:
            plain = {name: _plain(value) for name, value in row.items()}
            return make_record(place, flatten(plain, shape=self))
        except ValueError as error:
            return Malformed(place, str(error), str(row))


def _plain(value: Any) -> JsonValue:
    """Return a value of Arrow's as JSON has it.

    Raises:
        ValueError: Bytes, which are no text, or a type that JSON has no likeness of.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    raise ValueError(f"a value of type {type(value).__name__} is not read here")
