"""Opening text files: encodings, byte-order marks, lines of bounded length."""

import codecs
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

from civicbench.core.errors import InvalidInputError, PartAbsentError

Encoding = Literal["utf-8", "utf-16", "cp1252", "iso-8859-1"]
MAXIMUM_RECORD_CHARACTERS = 64 << 20
_HEAD_BYTES = 4096
_MARK_UNDECODABLE = "civicbench-mark"
_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (as .xlsx, .docx and .ods files are)",
    b"\xd0\xcf\x11\xe0": "an old Microsoft Office document",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"bplist": "a binary property list",
    b"\x7fELF": "a program",
    b"\xff\xfe\0\0": "UTF-32 text",
    b"\0\0\xfe\xff": "UTF-32 text",
}
_MARKS: dict[bytes, str] = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


# Undecodable bytes become lone surrogates, so that one bad byte costs its record, not the file.
codecs.register_error(_MARK_UNDECODABLE, _mark_undecodable)


def path_of(files: Mapping[str, Path], role: str) -> Path:
    """Return the file of a role.

    Raises:
        InvalidInputError: The source names no file for the role.
    """
    if role not in files:
        raise InvalidInputError(
            f"the reader needs a file for {role}",
            got=", ".join(sorted(files)) or "no file",
            remedy=f"name a file for {role} in the source",
        )
    return files[role]


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading bytes.

    Raises:
        PartAbsentError: There is no such file, it is a folder, or it may not be read.
    """
    try:
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise PartAbsentError("no such file", where=str(path)) from None
    except OSError as error:
        raise PartAbsentError("cannot be read", where=str(path), got=str(error)) from None


def open_text(path: Path, *, encoding: Encoding = "utf-8", newline: str | None = None) -> TextIO:
    """Open a text file; a byte-order mark overrides the declared encoding and is dropped.

    Args:
        path: The file.
        encoding: The declared encoding. UTF-16 without a mark is read as little-endian.
        newline: As in `open`: None turns CRLF and CR into line feeds, "" leaves them.

    Raises:
        PartAbsentError: The file cannot be opened.
        InvalidInputError: It is a picture, an archive or other bytes that are no text.
    """
    stream = open_bytes(path)
    try:
        head = stream.read(_HEAD_BYTES)
        codec, skipped = _choose_codec(head, encoding, where=str(path))
        stream.seek(skipped)
    except BaseException:
        stream.close()
        raise
    return io.TextIOWrapper(stream, encoding=codec, errors=_MARK_UNDECODABLE, newline=newline)


def read_text(path: Path, *, encoding: Encoding = "utf-8") -> str:
    """Return a text file's whole content with line feeds as line ends; see `open_text`.

    Raises:
        InvalidInputError: It is no text, or longer than 64 Mi characters.
    """
    with open_text(path, encoding=encoding) as stream:
        text = stream.read(MAXIMUM_RECORD_CHARACTERS + 1)
    if len(text) > MAXIMUM_RECORD_CHARACTERS:
        raise InvalidInputError(
            f"is longer than {MAXIMUM_RECORD_CHARACTERS} characters, which this reader holds whole",
            where=str(path),
            remedy="split the file, or use a format that is read in parts (JSON lines, CSV)",
        )
    return text


def iterate_lines(path: Path, *, encoding: Encoding) -> Iterator[tuple[int, str | None]]:
    """Yield (line number from 1, text without its end); None for a line over 64 Mi characters."""
    with open_text(path, encoding=encoding) as stream:
        number = 0
        while line := stream.readline(MAXIMUM_RECORD_CHARACTERS):
            number += 1
            if len(line) == MAXIMUM_RECORD_CHARACTERS and not line.endswith("\n"):
                while (rest := stream.readline(MAXIMUM_RECORD_CHARACTERS)) and rest[-1] != "\n":
                    pass
                yield number, None
            else:
                yield number, line.removesuffix("\n")


def _choose_codec(head: bytes, encoding: Encoding, *, where: str) -> tuple[str, int]:
    for signature, what in _SIGNATURES.items():
        if head.startswith(signature):
            raise InvalidInputError(
                "is not a text file", where=where, got=what, remedy="export it as text"
            )
    for mark, codec in _MARKS.items():
        if head.startswith(mark):
            return codec, len(mark)
    if encoding == "utf-16":
        return "utf-16-le", 0
    nuls = head.count(0)
    if nuls * 10 > len(head):
        raise InvalidInputError(
            "is not a text file in the declared encoding",
            where=where,
            got=f"{nuls} NUL bytes among the first {len(head)}",
            remedy="declare `encoding: utf-16` where it is UTF-16 without a byte-order mark",
        )
    return encoding, 0
