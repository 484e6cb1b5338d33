"""Files of a snapshot's splits: JSON lines or Parquet, each written in one way only."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError

SplitFormat = Literal["jsonl", "parquet"]
# A row group is full at either; both bound memory, and the same rows fill the same groups.
_GROUP_ROWS = 10_000
_GROUP_BYTES = 16 << 20
_BATCH_ROWS = 1_000


class SplitWriter:
    """Writes a split's rows, given as JSON lines, to a file.

    Args:
        path: The file, without the ending.
        written_as: How it is written; also its ending.
        preferences: Whether every row has a rejected answer.
    """

    def __init__(self, path: Path, *, written_as: SplitFormat, preferences: bool = False) -> None:
        self._preferences = preferences
        self.path = path.with_name(f"{path.name}.{written_as}")
        self._digest = sha256()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._parquet: Any = None
        self._stream = self.path.open("wb")
        if written_as == "parquet":
            import pyarrow.parquet  # type: ignore[import-untyped]

            self._parquet = pyarrow.parquet.ParquetWriter(
                self._stream, self._schema(), compression="zstd", version="2.6"
            )

    def write(self, line: bytes) -> None:
        """Write a row, given as JSON without an end of line."""
        self._digest.update(line + b"\n")
        if self._parquet is None:
            self._stream.write(line + b"\n")
            return
        self._lines.append(line)
        self._bytes += len(line)
        if len(self._lines) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._write_group()

    def finish(self) -> tuple[str, str]:
        """Close the file, and return its digest and that of its rows as JSON lines."""
        self._write_group()
        if self._parquet is not None:
            self._parquet.close()
        self._stream.close()
        return digest_file(self.path), self._digest.hexdigest()

    def abandon(self) -> None:
        """Close the file as it is: the folder that it stands in is thrown away."""
        if self._parquet is not None:
            # Else it would try to write its end to the closed file when it is collected.
            self._parquet.is_open = False
        self._stream.close()

    def _write_group(self) -> None:
        if not self._lines:
            return
        import pyarrow

        rows = [json.loads(line) for line in self._lines]
        for row in rows:
            row["fields"] = json.dumps(row["fields"], ensure_ascii=False, separators=(",", ":"))
        self._parquet.write_table(pyarrow.Table.from_pylist(rows, schema=self._schema()))
        self._lines, self._bytes = [], 0

    def _schema(self) -> Any:
        """Return the columns; a row's own fields differ in type, and stay together as JSON."""
        import pyarrow

        turn = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
        rejected = [("rejected", pyarrow.string())] if self._preferences else []
        return pyarrow.schema(
            [
                ("id", pyarrow.string()),
                ("group", pyarrow.string()),
                ("messages", pyarrow.list_(turn)),
                *rejected,
                ("fields", pyarrow.string()),
            ]
        )


def iterate_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split that was written as Parquet, as JSON has them.

    Raises:
        IntegrityError: It is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as stream:
        try:
            for batch in pyarrow.parquet.ParquetFile(stream).iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    yield {**row, "fields": json.loads(row["fields"])}
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise IntegrityError(
                "is a damaged Parquet file", where=str(path), got=str(error)[:200],
                remedy="remove the snapshot's folder, and build it again",
            ) from None  # fmt: skip
