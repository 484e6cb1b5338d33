"""JSON documents: records at a pattern; an array at the top is read in parts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.json_values import JsonValue, StrictDecoder, read_document
from civicbench.datasets.readers.reader import Item, TextFileReader, refuse_foreign
from civicbench.datasets.readers.record import Malformed
from civicbench.datasets.readers.selecting import (
    Pattern,
    Shape,
    make_selected,
    select,
    shorten,
    split_pattern,
)
from civicbench.datasets.readers.text import MAXIMUM_RECORD_CHARACTERS, open_text

_CHUNK_CHARACTERS = 1 << 16
# The longest JSON token of which a cut piece is no valid JSON but fails at its own beginning.
_TOKEN_CHARACTERS = 16
_SPACE = " \t\r\n"


class JsonDocument(TextFileReader, Shape):
    """Reads records out of one JSON document."""

    reader: Literal["json"] = "json"
    """The reader's name."""
    records: Pattern = "/*"
    """Where the records stand: a JSON pointer in which `*` is any key or index; empty for the
    whole document as one record. With `/*` over an array the file streams."""
    ancestors: bool = False
    """Whether a record also gets the scalars of the mappings above it and the keys that
    wildcards met, prefixed with the step's name (`parts.key`, `parts.title`)."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the records at the pattern."""
        yield from refuse_foreign(self._items(path), path=path, kind="JSON with such records")

    def _items(self, path: Path) -> Iterator[Item]:
        steps = split_pattern(self.records)
        if steps and steps[0] == "*" and _begins_array(path, self):
            yield from self._stream(path, steps[1:])
            return
        value, fault = read_document(path, encoding=self.encoding)
        if fault:
            yield Malformed(f"{path.name}#", fault, "the last value counts")
        yield from self._select(path, value, steps, "")

    def _stream(self, path: Path, steps: tuple[str, ...]) -> Iterator[Item]:
        with open_text(path, encoding=self.encoding) as stream:
            for index, (value, fault) in enumerate(_iterate_array(stream)):
                if fault:
                    yield Malformed(f"{path.name}#/{index}", fault, shorten(value))
                else:
                    yield from self._select(path, value, steps, f"/{index}")

    def _select(
        self, path: Path, value: JsonValue, steps: tuple[str, ...], pointer: str
    ) -> Iterator[Item]:
        for selected in select(value, steps, pointer=pointer):
            yield make_selected(path.name, selected, shape=self, ancestors=self.ancestors)


def _begins_array(path: Path, settings: JsonDocument) -> bool:
    with open_text(path, encoding=settings.encoding) as stream:
        head = stream.read(_CHUNK_CHARACTERS).lstrip(_SPACE)
    if not head:
        raise InvalidInputError("is empty", where=str(path))
    return head[0] == "["


def _iterate_array(stream: TextIO) -> Iterator[tuple[JsonValue, str | None]]:
    """Yield (element, its fault or None); a broken element ends the array with a fault."""
    decoder = StrictDecoder()
    buffer = stream.read(_CHUNK_CHARACTERS).lstrip(_SPACE)
    # Where the last element (at first: the bracket) ends, and whether the file does.
    position, ended, first = 1, False, True
    while True:
        start = _skip_space(buffer, position)
        sign = buffer[start : start + 1]
        if sign == "]":
            if (buffer[start + 1 :] + stream.read(_CHUNK_CHARACTERS)).strip(_SPACE):
                yield buffer[start + 1 : start + 200], "more after the array's end"
            return
        if sign and not first:
            if sign != ",":
                yield buffer[start : start + 200], "a comma is missing; reading ends"
                return
            start = _skip_space(buffer, start + 1)
        try:
            value, end, fault = decoder.decode(buffer, start=start)
            whole = ended or end < len(buffer)
        except json.JSONDecodeError as error:
            broken = error.pos < len(buffer) - _TOKEN_CHARACTERS and "Unterminated" not in error.msg
            if ended or broken or len(buffer) - start > MAXIMUM_RECORD_CHARACTERS:
                reason = "the file ends inside the array" if ended else error.msg
                yield buffer[start : start + 200], f"not JSON: {reason}; reading ends"
                return
            whole = False
        if whole:
            yield value, fault
            position, first = end, False
        else:
            buffer = buffer[position:]
            more = stream.read(max(_CHUNK_CHARACTERS, len(buffer)))
            buffer, position, ended = buffer + more, 0, not more


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position
