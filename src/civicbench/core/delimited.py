"""Reading whole CSV and TSV files that were pinned or written by this program, strictly."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError

_LONGEST_CELL = 16 << 20


def read_delimited(
    path: Path, *, delimiter: str, columns: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number from 1, row by column) for each row below the header.

    Args:
        path: The file.
        delimiter: What stands between cells.
        columns: Columns that must be there; others may be.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: No header, a column that is missing or stands twice, a row with more or
            fewer cells, or a quote that nobody closed.
    """
    where = str(path)
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(read_text(path).splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        header = next(rows, [])
        if not header:
            raise InvalidInputError("is empty, or its first line is", where=where)
        if len(set(header)) < len(header):
            raise InvalidInputError("two columns have one name", where=where, got=str(header))
        missing = [name for name in columns if name not in header]
        if missing:
            raise InvalidInputError(
                f"columns are missing: {', '.join(missing)}", where=where, got=", ".join(header)
            )
        while True:
            line = rows.line_num + 1
            cells = next(rows, None)
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != len(header):
                raise InvalidInputError(
                    f"{len(cells)} cells where there are {len(header)} columns",
                    where=f"{where}:{line}",
                )
            yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InvalidInputError(
            "is not sound CSV", where=f"{where}:{rows.line_num}", got=str(error)
        ) from None
