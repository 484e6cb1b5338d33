"""JSON lines: one object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from civicbench.datasets.readers.json_values import StrictDecoder
from civicbench.datasets.readers.reader import Item, TextFileReader, refuse_foreign
from civicbench.datasets.readers.record import Malformed, make_record
from civicbench.datasets.readers.selecting import Shape, flatten
from civicbench.datasets.readers.text import MAXIMUM_RECORD_CHARACTERS, iterate_lines


class JsonLines(TextFileReader, Shape):
    """Reads JSON lines; nested objects become fields named `outer.inner`."""

    reader: Literal["jsonl"] = "jsonl"
    """The reader's name."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield a record a line; blank lines are none. The file streams."""
        yield from refuse_foreign(self._lines(path), path=path, kind="JSON lines")

    def _lines(self, path: Path) -> Iterator[Item]:
        decoder = StrictDecoder()
        for number, line in iterate_lines(path, encoding=self.encoding):
            place = f"{path.name}:{number}"
            if line is None:
                yield Malformed(place, f"a line over {MAXIMUM_RECORD_CHARACTERS} characters", "")
            elif line.strip():
                yield self._record(decoder, place, line)

    def _record(self, decoder: StrictDecoder, place: str, line: str) -> Item:
        try:
            value, fault = decoder.decode_whole(line)
        except json.JSONDecodeError as error:
            return Malformed(place, f"not JSON: {error.msg} (column {error.colno})", line)
        if fault:
            return Malformed(place, fault, line)
        if not isinstance(value, dict):
            return Malformed(place, "not a JSON object", line)
        try:
            return make_record(place, flatten(value, shape=self))
        except ValueError as error:
            return Malformed(place, str(error), line)
