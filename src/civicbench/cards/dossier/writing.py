"""Writing a dossier's archive: the same contents give the same bytes."""

import binascii
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from civicbench.cards.verifier.archive import ArchiveEntry, directory, local_header, safe_name
from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.files import disk_errors_explained, sync_folder

Content = bytes | Path
"""Bytes, or the file that holds them."""
_CHUNK_BYTES = 1 << 20


def write_archive(path: Path, contents: Mapping[str, Content]) -> None:
    """Write an archive whole or not at all.

    Args:
        path: The archive; must not stand yet.
        contents: Each file by its name, in the order in which they are written.

    Raises:
        InvalidInputError: The archive stands already, or a name cannot stand in one.
        IntegrityError: A file changed while it was read.
        DiskFullError: No space; nothing is left behind.
    """
    if path.exists():
        raise InvalidInputError(
            "stands already, and nothing is written over", where=str(path),
            remedy="remove it, or name another file",
        )  # fmt: skip
    for name in contents:
        if not safe_name(name):
            raise InvalidInputError("cannot be a file's name in a dossier", got=repr(name))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    with disk_errors_explained(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(temporary, contents)
            # A link fails where the name was taken meanwhile; a rename would write over it.
            path.hardlink_to(temporary)
        except FileExistsError:
            raise InvalidInputError(
                "stands already, and nothing is written over", where=str(path)
            ) from None
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def _write(path: Path, contents: Mapping[str, Content]) -> None:
    entries: list[ArchiveEntry] = []
    offset = 0
    with path.open("xb") as target:
        for name, content in contents.items():
            crc, size = _measure(content)
            entry = ArchiveEntry(name, crc, size, offset)
            target.write(local_header(entry))
            again, written = 0, 0
            for piece in _pieces(content):
                target.write(piece)
                again, written = binascii.crc32(piece, again), written + len(piece)
            if (again, written) != (crc, size):
                raise IntegrityError("changed while it was read", where=name)
            offset = target.tell()
            entries.append(entry)
        target.write(directory(entries, offset))
        target.flush()
        os.fsync(target.fileno())


def _measure(content: Content) -> tuple[int, int]:
    crc, size = 0, 0
    for piece in _pieces(content):
        crc, size = binascii.crc32(piece, crc), size + len(piece)
    return crc, size


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        while piece := stream.read(_CHUNK_BYTES):
            yield piece
