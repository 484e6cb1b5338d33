"""What a reader yields: records, and the places where there should have been one."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

Scalar = str | int | float | bool | None
_GOT_CHARACTERS = 200
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_INTEGER_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a source file."""

    place: str
    """`FILE:LINE`, `FILE#/json/pointer` or `FILE@key`."""
    fields: dict[str, Scalar]
    """Field names to values."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A place at which a record should stand and none can be read."""

    place: str
    """`FILE:LINE`, `FILE#/json/pointer` or `FILE@key`."""
    problem: str
    """What is wrong, in one sentence."""
    got: str
    """What was found there, cut to 200 characters, with unprintable bytes written out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "got", show(self.got))


def show(text: str) -> str:
    """Return a text cut to 200 characters in which NULs and undecodable bytes are written out."""
    cut = text if len(text) <= _GOT_CHARACTERS else text[: _GOT_CHARACTERS - 3] + "..."
    return cut.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")[:200]


def make_record(place: str, fields: Mapping[str, Scalar]) -> Record | Malformed:
    """Return a record, or why its values cannot be kept.

    Refused are NUL characters, bytes that were not in the file's encoding (the text readers mark
    them with lone surrogates), halves of surrogate pairs, numbers that are not finite, and whole
    numbers of more than 64 bits, which Parquet cannot hold.
    """
    for name, value in fields.items():
        if isinstance(value, str):
            found = _NOT_TEXT.search(value)
            if found:
                return Malformed(place, f"{name}: {_name_fault(found.group())}", _around(found))
        elif isinstance(value, float) and not math.isfinite(value):
            return Malformed(place, f"{name}: a number that is not finite", str(value))
        elif isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            return Malformed(place, f"{name}: a whole number of more than 64 bits", hex(value))
        if _NOT_TEXT.search(name):
            return Malformed(place, "a field's name is not text", name)
    return Record(place, dict(fields))


def _name_fault(character: str) -> str:
    if character == "\0":
        return "a NUL character"
    if "\udc00" <= character <= "\udcff":
        return "a byte that is not in the file's encoding"
    return "half of a surrogate pair"


def _around(found: re.Match[str]) -> str:
    return found.string[max(0, found.start() - 40) : found.end() + 40]
