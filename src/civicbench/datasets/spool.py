"""Rows between two steps, on disk: memory stays the same however many there are."""

import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from civicbench.datasets.steps.step import Keys

KEY_BYTES = 8


def pack(source: int, place: str, content: bytes) -> bytes:
    """Return a row as a line: its source's number and place, a tab, and its content as JSON."""
    head = json.dumps([source, place], ensure_ascii=False, separators=(",", ":"))
    return head.encode() + b"\t" + content


def unpack(line: bytes) -> tuple[int, str, bytes]:
    """Return a line's parts; JSON writes a tab inside a text as two characters."""
    head, _, content = line.partition(b"\t")
    source, place = json.loads(head)
    return source, place, content


def dump(value: Any) -> bytes:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Spool:
    """Rows as lines of a file, with where each begins, and their keys in a file a column.

    Args:
        folder: An empty folder for its files; made here.
        columns: How many numbers a row's key has.
    """

    def __init__(self, folder: Path, *, columns: int) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._lines: BinaryIO = (folder / "rows").open("w+b")
        self._keys = [(folder / f"key-{number}").open("w+b") for number in range(columns)]
        self._begins = array("Q", [0])

    def __len__(self) -> int:
        return len(self._begins) - 1

    def add(self, lines: Sequence[bytes], keys: Sequence[bytes]) -> None:
        """Take rows in, with the bytes of each key column."""
        end = self._begins[-1]
        for line in lines:
            self._lines.write(line + b"\n")
            end += len(line) + 1
            self._begins.append(end)
        for stream, column in zip(self._keys, keys, strict=True):
            stream.write(column)

    def finish(self) -> None:
        """Make everything that was taken in readable."""
        for stream in (self._lines, *self._keys):
            stream.flush()

    def column(self, number: int) -> "Keys":
        """Return one column of all rows' keys."""
        import numpy as np

        return np.fromfile(self._folder / f"key-{number}", dtype="<u8")

    def row(self, number: int) -> tuple[int, str, Any]:
        """Return the source's number, the place and the content of a row."""
        self._lines.seek(self._begins[number])
        line = self._lines.read(self._begins[number + 1] - self._begins[number] - 1)
        source, place, content = unpack(line)
        return source, place, json.loads(content)

    def content(self, number: int) -> Any:
        """Return the content of the row of a number."""
        return self.row(number)[2]

    def lines(self) -> Iterator[bytes]:
        """Yield every row's line in order, without its end."""
        with (self._folder / "rows").open("rb") as stream:
            for line in stream:
                yield line[:-1]

    def remove(self) -> None:
        """Close and remove the files."""
        for stream in (self._lines, *self._keys):
            stream.close()
        for path in sorted(self._folder.iterdir()):
            path.unlink()
        self._folder.rmdir()
