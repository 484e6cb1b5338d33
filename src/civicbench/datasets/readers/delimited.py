"""CSV and its relatives: rows of cells with a declared delimiter."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.reader import Item, TextFileReader, refuse_foreign
from civicbench.datasets.readers.record import Malformed, make_record
from civicbench.datasets.readers.text import open_text

if TYPE_CHECKING:
    from _csv import Reader


class Delimited(TextFileReader):
    """Reads CSV by RFC 4180: quoted cells may hold delimiters, line ends and doubled quotes."""

    reader: Literal["csv"] = "csv"
    """The reader's name."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'[^"\r\n]')] = ","
    """What stands between cells; a tab for TSV."""
    quoted: bool = True
    """Whether cells may be quoted with `"`; false where a quote is a character as any other."""
    columns: tuple[str, ...] | None = None
    """The columns' names where the file has no header; None takes the first row. A column
    without a name becomes `column_N`, N counted from 1."""
    maximum_cell_characters: Annotated[int, Field(gt=0, le=64 << 20)] = 16 << 20
    """A row with a longer cell is malformed: most often a quote that nobody closed."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield a record a row, all values as text. The file streams."""
        yield from refuse_foreign(self._rows(path), path=path, kind="CSV")

    def _rows(self, path: Path) -> Iterator[Item]:
        with open_text(path, encoding=self.encoding, newline="") as stream:
            rows = csv.reader(
                stream,
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                strict=True,
            )
            names = self.columns if self.columns else self._header(rows, path)
            yield from self._body(rows, names, path)

    def _header(self, rows: "Reader", path: Path) -> tuple[str, ...]:
        where = f"{path}:1"
        csv.field_size_limit(self.maximum_cell_characters)
        try:
            cells: list[str] = next(rows, [])
        except csv.Error as error:
            raise InvalidInputError("has no readable header", where=where, got=str(error)) from None
        if not cells:
            raise InvalidInputError("is empty, or its first line is", where=where)
        names = tuple(name.strip() or f"column_{n}" for n, name in enumerate(cells, start=1))
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise InvalidInputError(
                "two columns have one name",
                where=where,
                got=", ".join(doubles),
                remedy="name the columns in `columns`, and remove the header",
            )
        return names

    def _body(self, rows: "Reader", names: tuple[str, ...], path: Path) -> Iterator[Item]:
        while True:
            line = rows.line_num + 1
            # The limit is the whole process's, and other files may be read between two rows.
            csv.field_size_limit(self.maximum_cell_characters)
            try:
                cells = next(rows, None)
            except csv.Error as error:
                last = rows.line_num
                yield Malformed(f"{path.name}:{line}", str(error), f"lines {line} to {last}")
                continue
            if cells is None:
                return
            if not cells:
                continue
            place = f"{path.name}:{line}"
            if len(cells) != len(names):
                problem = f"{len(cells)} cells where there are {len(names)} columns"
                yield Malformed(place, problem, self.delimiter.join(cells))
            elif not any(cells):
                yield Malformed(place, "every cell is empty", "")
            else:
                yield make_record(place, dict(zip(names, cells, strict=True)))
