"""Plain text: a record a line, or a record from one marked line to the next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from civicbench.datasets.readers.reader import Item, TextFileReader, refuse_foreign
from civicbench.datasets.readers.record import Malformed, make_record
from civicbench.datasets.readers.text import MAXIMUM_RECORD_CHARACTERS, iterate_lines


class TextLines(TextFileReader):
    """Reads plain text into records with one field, `text`."""

    reader: Literal["text"] = "text"
    """The reader's name."""
    begins_with: Annotated[str, Field(min_length=1)] | None = None
    """How a record's first line begins, where a record has several; the mark stays in the text.
    None makes each line that is not blank a record."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the records; the file streams."""
        items = self._lines(path) if self.begins_with is None else self._blocks(path)
        yield from refuse_foreign(items, path=path, kind="such text")

    def _lines(self, path: Path) -> Iterator[Item]:
        for number, line in iterate_lines(path, encoding=self.encoding):
            place = f"{path.name}:{number}"
            if line is None:
                yield Malformed(place, f"a line over {MAXIMUM_RECORD_CHARACTERS} characters", "")
            elif line.strip():
                yield make_record(place, {"text": line})

    def _blocks(self, path: Path) -> Iterator[Item]:
        block: list[str] = []
        place, length, marked = f"{path.name}:1", 0, False
        for number, line in iterate_lines(path, encoding=self.encoding):
            begins = line is not None and line.startswith(str(self.begins_with))
            if begins:
                yield from self._block(place, block, length, marked)
                block, place, length, marked = [], f"{path.name}:{number}", 0, True
            length += MAXIMUM_RECORD_CHARACTERS + 1 if line is None else len(line)
            if line is not None and length <= MAXIMUM_RECORD_CHARACTERS:
                block.append(line)
        yield from self._block(place, block, length, marked)

    def _block(self, place: str, block: list[str], length: int, marked: bool) -> Iterator[Item]:
        text = "\n".join(block).strip("\n")
        if length > MAXIMUM_RECORD_CHARACTERS:
            yield Malformed(place, f"a record over {MAXIMUM_RECORD_CHARACTERS} characters", text)
        elif text.strip() and not marked:
            yield Malformed(place, f"text before the first {self.begins_with}", text)
        elif text.strip():
            yield make_record(place, {"text": text})
