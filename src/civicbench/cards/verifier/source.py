"""Where a dossier's files are read from: its archive, or the folder that it was unpacked to."""

from __future__ import annotations

import binascii
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from civicbench.cards.verifier.archive import ArchiveEntry, read_archive, read_entry, safe_name
from civicbench.cards.verifier.fault import FaultError

_LARGEST_READ_BYTES = 1 << 30


class ArchiveSource:
    """A dossier in its archive.

    Args:
        stream: The archive.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._entries: dict[str, ArchiveEntry] = {one.name: one for one in read_archive(stream)}

    def names(self) -> list[str]:
        """Return the files' names, in the archive's order."""
        return list(self._entries)

    def digest(self, name: str) -> tuple[str, int]:
        """Return a file's sha256 and its length, after checking its checksum."""
        entry = self._entries[name]
        state, crc = hashlib.sha256(), 0
        for piece in read_entry(self._stream, entry):
            state.update(piece)
            crc = binascii.crc32(piece, crc)
        if crc != entry.crc:
            raise FaultError(name, "has other bytes than the archive's checksum says")
        return state.hexdigest(), entry.size

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes."""
        return read_entry(self._stream, self._entries[name])


class FolderSource:
    """A dossier that was unpacked.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        for place, folders, files in os.walk(folder):
            folders.sort()
            for name in sorted(folders + files):
                path = Path(place) / name
                own = path.relative_to(folder).as_posix()
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise FaultError(own, "is a link or no plain file")
                if stat.S_ISREG(mode):
                    if not safe_name(own):
                        raise FaultError(repr(own), "is no name of a dossier's file")
                    self._names.append(own)

    def names(self) -> list[str]:
        """Return the files' names."""
        return sorted(self._names)

    def digest(self, name: str) -> tuple[str, int]:
        """Return a file's sha256 and its length."""
        state, size = hashlib.sha256(), 0
        for piece in self.pieces(name):
            state.update(piece)
            size += len(piece)
        return state.hexdigest(), size

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes."""
        with (self._folder / name).open("rb") as stream:
            while True:
                piece = stream.read(1 << 20)
                if not piece:
                    return
                yield piece


def read_whole(source: ArchiveSource | FolderSource, name: str) -> bytes:
    """Return a file's bytes.

    Raises:
        FaultError: It is missing, or far larger than such a file is.
    """
    if name not in source.names():
        raise FaultError(name, "is missing")
    parts, size = [], 0
    for piece in source.pieces(name):
        parts.append(piece)
        size += len(piece)
        if size > _LARGEST_READ_BYTES:
            raise FaultError(name, "is far larger than such a file is")
    return b"".join(parts)
