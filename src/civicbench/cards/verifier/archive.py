"""A dossier's archive: a ZIP file of which every byte is laid down, so that none can be slipped in.

Entries are stored uncompressed, one after another in the order of the directory, with fixed dates
and rights, no comment and no byte between them. Format: PKWARE's APPNOTE 6.3.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from civicbench.cards.verifier.fault import FaultError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*")
_LONGEST_NAME = 500
_LONGEST_DIRECTORY_BYTES = 64 << 20
_FULL32, _FULL16 = 0xFFFFFFFF, 0xFFFF
_DATE, _TIME = (1 << 5) | 1, 0  # 1 January 1980, midnight: the format's first moment
_RIGHTS = 0o100644 << 16
_MADE_BY, _PLAIN, _LARGE = (3 << 8) | 45, 20, 45
_CHUNK_BYTES = 1 << 20


class ArchiveEntry(NamedTuple):
    """One file of the archive.

    Attributes:
        name: Its path.
        crc: CRC-32 of its bytes.
        size: Its length in bytes.
        offset: Where its header begins.
    """

    name: str
    crc: int
    size: int
    offset: int

    @property
    def start(self) -> int:
        """Where its bytes begin."""
        return self.offset + len(local_header(self))


def safe_name(name: str) -> bool:
    """Return whether a name is a plain relative path below the folder it is unpacked to."""
    plain = len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None
    return plain and not any(part in (".", "..") for part in name.split("/"))


def local_header(entry: ArchiveEntry) -> bytes:
    """Return what stands before an entry's bytes."""
    large = entry.size >= _FULL32
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if large else b""
    size = _FULL32 if large else entry.size
    name = entry.name.encode("ascii")
    return (
        struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", _LARGE if large else _PLAIN, 0, 0, _TIME, _DATE,
            entry.crc, size, size, len(name), len(extra),
        )
        + name
        + extra
    )  # fmt: skip


def directory(entries: Iterable[ArchiveEntry], start: int) -> bytes:
    """Return all that stands after the entries: the directory and its end.

    Args:
        entries: The entries, in their order.
        start: Where the directory begins.
    """
    parts, count = [], 0
    for entry in entries:
        count += 1
        wide = [entry.size, entry.size] if entry.size >= _FULL32 else []
        wide += [entry.offset] if entry.offset >= _FULL32 else []
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        size = min(entry.size, _FULL32)
        name = entry.name.encode("ascii")
        parts.append(
            struct.pack(
                "<4s6H3I5H2I", b"PK\x01\x02", _MADE_BY, _LARGE if wide else _PLAIN, 0, 0, _TIME,
                _DATE, entry.crc, size, size, len(name), len(extra), 0, 0, 0, _RIGHTS,
                min(entry.offset, _FULL32),
            )
            + name
            + extra
        )  # fmt: skip
    body = b"".join(parts)
    if count >= _FULL16 or start >= _FULL32 or len(body) >= _FULL32:
        end = start + len(body)
        parts.append(
            struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, _MADE_BY, _LARGE, 0, 0, count, count,
                        len(body), start)
            + struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
        )  # fmt: skip
    parts.append(
        struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, min(count, _FULL16), min(count, _FULL16),
                    min(len(body), _FULL32), min(start, _FULL32), 0)
    )  # fmt: skip
    return b"".join(parts)


def read_archive(stream: BinaryIO) -> list[ArchiveEntry]:
    """Return an archive's entries after checking that every byte outside of them is as laid down.

    Raises:
        FaultError: It is no dossier's archive, or was changed; names the first entry that differs.
    """
    total = stream.seek(0, os.SEEK_END)
    start, size, count = _find_directory(stream, total)
    raw = _read(stream, start, size)
    entries = list(_parse_directory(raw, count))
    place, seen = 0, set()
    for entry in entries:
        if not safe_name(entry.name):
            raise FaultError(
                "the archive", f"holds a name that is no plain path: {entry.name[:200]!r}"
            )
        if entry.name.lower() in seen:
            raise FaultError(entry.name, "stands in the archive twice")
        seen.add(entry.name.lower())
        if entry.offset != place:
            raise FaultError(entry.name, "does not stand where the archive should have it")
        place = entry.start + entry.size
        if place > start or _read(stream, entry.offset, len(local_header(entry))) != local_header(
            entry
        ):
            raise FaultError(
                entry.name, "has another header in the archive than a dossier's file has"
            )
    if place != start:
        raise FaultError("the archive", "holds bytes that belong to no file")
    for name in seen:
        if any(name[:end] in seen for end, letter in enumerate(name) if letter == "/"):
            raise FaultError(name, "has a file for a folder")
    tail = directory(entries, start)
    if _read(stream, start, total - start) != tail:
        raise FaultError("the archive", "has another directory than a dossier has")
    return entries


def read_entry(stream: BinaryIO, entry: ArchiveEntry) -> Iterator[bytes]:
    """Yield an entry's bytes in pieces."""
    place, left = entry.start, entry.size
    while left:
        piece = _read(stream, place, min(left, _CHUNK_BYTES))
        if not piece:
            raise FaultError(entry.name, "ends too early")
        place, left = place + len(piece), left - len(piece)
        yield piece


def _find_directory(stream: BinaryIO, total: int) -> tuple[int, int, int]:
    end = _read(stream, max(0, total - 22), 22)
    if len(end) != 22 or end[:4] != b"PK\x05\x06":
        raise FaultError(
            "the archive", "is no dossier's archive, or was cut or added to at its end"
        )
    count, size, start = struct.unpack("<HII", end[10:20])
    if count == _FULL16 or start == _FULL32 or size == _FULL32:
        wide = _read(stream, max(0, total - 98), 56)
        if len(wide) != 56 or wide[:4] != b"PK\x06\x06":
            raise FaultError("the archive", "has another directory than a dossier has")
        count, size, start = struct.unpack("<QQQ", wide[32:56])
    if size > _LONGEST_DIRECTORY_BYTES or start + size > total:
        raise FaultError("the archive", "has another directory than a dossier has")
    return start, size, count


def _parse_directory(raw: bytes, count: int) -> Iterator[ArchiveEntry]:
    place = 0
    for _ in range(count):
        head = raw[place : place + 46]
        if len(head) != 46 or head[:4] != b"PK\x01\x02":
            raise FaultError("the archive", "has another directory than a dossier has")
        crc, _packed, size, name_length, extra_length = struct.unpack("<3I2H", head[16:32])
        (offset,) = struct.unpack("<I", head[42:46])
        name = raw[place + 46 : place + 46 + name_length].decode("latin-1")
        extra = raw[place + 46 + name_length : place + 46 + name_length + extra_length]
        wide = (
            [one for (one,) in struct.iter_unpack("<Q", extra[4:])] if len(extra) % 8 == 4 else []
        )
        if size == _FULL32 and len(wide) >= 2:
            size = wide[0]
            wide = wide[2:]
        if offset == _FULL32 and wide:
            offset = wide[0]
        place += 46 + name_length + extra_length
        yield ArchiveEntry(name, crc, size, offset)
    if place != len(raw):
        raise FaultError("the archive", "has another directory than a dossier has")


def _read(stream: BinaryIO, place: int, size: int) -> bytes:
    stream.seek(place)
    return stream.read(size)
