"""One member of a pinned archive, taken out without trusting the archive."""

import gzip
import lzma
import os
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.files import disk_errors_explained, sync_folder

MAXIMUM_MEMBER_BYTES = 4 << 30
MAXIMUM_RATIO = 200
MAXIMUM_MEMBERS = 1_000_000
# A small file may shrink beyond any ratio: only what is large can be a bomb.
_HARMLESS_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    RuntimeError,  # a way of packing, or a password, that zipfile does not know
)


def extract_member(archive: Path, member: str, *, target: Path) -> Path:
    """Copy one member of a zip or tar archive to a file, whole or not at all.

    Only the member's bytes are written, only to `target`. An archive that holds a path which
    would leave its folder is refused as a whole.

    Args:
        archive: The archive, already verified.
        member: The member's path inside it.
        target: Where its bytes go.

    Raises:
        InvalidInputError: No such member, a link, an unsafe path, encrypted, or a bomb.
        IntegrityError: The archive is broken or is none.
    """
    if target.is_file():
        return target
    with disk_errors_explained(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                _copy(archive, member, out)
                out.flush()
                os.fsync(out.fileno())
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    return target


def _copy(archive: Path, member: str, out: IO[bytes]) -> None:
    try:
        if zipfile.is_zipfile(archive):
            _copy_from_zip(archive, member, out)
        elif tarfile.is_tarfile(archive):
            _copy_from_tar(archive, member, out)
        else:
            raise IntegrityError("is neither a zip nor a tar archive", where=str(archive))
    except _BROKEN as error:
        raise IntegrityError(
            "is a broken archive", where=str(archive), got=str(error)[:200]
        ) from None


def _copy_from_zip(archive: Path, member: str, out: IO[bytes]) -> None:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        _refuse_many(len(entries), archive)
        for entry in entries:
            _refuse_unsafe(entry.filename, archive)
        found = [entry for entry in entries if entry.filename == member]
        if not found or found[0].is_dir():
            raise _no_member(archive, member, [entry.filename for entry in entries])
        if len(found) > 1:
            raise InvalidInputError(
                "the archive holds the member twice", where=str(archive), got=member
            )
        entry = found[0]
        # The upper half of the attributes is the file's mode on Unix; 0o12 marks a link.
        if entry.external_attr >> 28 == 0o12:
            raise InvalidInputError("the member is a link", where=str(archive), got=member)
        if entry.flag_bits & 1:
            raise InvalidInputError("the member is encrypted", where=str(archive), got=member)
        with opened.open(entry) as stream:
            _copy_bounded(stream, out, packed=entry.compress_size, where=f"{archive}: {member}")


def _copy_from_tar(archive: Path, member: str, out: IO[bytes]) -> None:
    packed = archive.stat().st_size
    names = []
    with tarfile.open(archive) as opened:
        read = 0
        for entry in opened:
            _refuse_unsafe(entry.name, archive)
            names.append(entry.name)
            _refuse_many(len(names), archive)
            # Members before the wanted one are unpacked to be passed over.
            read += entry.size
            _refuse_bomb(read, packed=packed, where=str(archive))
            if entry.name != member:
                continue
            if not entry.isfile():
                raise InvalidInputError("the member is no plain file", where=str(archive),
                                        got=member)  # fmt: skip
            stream = opened.extractfile(entry)
            if stream is None:
                raise InvalidInputError("the member has no bytes", where=str(archive), got=member)
            _copy_bounded(stream, out, packed=packed, where=f"{archive}: {member}")
            return
    raise _no_member(archive, member, names)


def _copy_bounded(stream: IO[bytes], out: IO[bytes], *, packed: int, where: str) -> None:
    copied = 0
    while chunk := stream.read(_CHUNK_BYTES):
        copied += len(chunk)
        _refuse_bomb(copied, packed=packed, where=where)
        out.write(chunk)


def _refuse_bomb(unpacked: int, *, packed: int, where: str) -> None:
    too_long = unpacked > MAXIMUM_MEMBER_BYTES
    too_dense = unpacked > _HARMLESS_BYTES and unpacked > packed * MAXIMUM_RATIO
    if too_long or too_dense:
        raise InvalidInputError(
            "unpacks to far more than it holds (an archive bomb)",
            where=where,
            got=f"over {unpacked} bytes from {packed}",
            remedy="unpack it by hand, look at it, and name the file itself",
        )


def _refuse_unsafe(name: str, archive: Path) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = name.startswith(("/", "\\")) or name[1:2] == ":"
    if absolute or ".." in parts or "\0" in name:
        raise InvalidInputError(
            "the archive holds a path that leaves its folder", where=str(archive), got=name[:200]
        )


def _refuse_many(members: int, archive: Path) -> None:
    if members > MAXIMUM_MEMBERS:
        raise InvalidInputError(
            "the archive holds too many members", where=str(archive), got=f"over {MAXIMUM_MEMBERS}"
        )


def _no_member(archive: Path, member: str, names: list[str]) -> InvalidInputError:
    shown = ", ".join(names[:5]) or "nothing"
    return InvalidInputError(
        "the archive has no such member", where=f"{archive}: {member}",
        got=f"{len(names)} members: {shown}",
    )  # fmt: skip
