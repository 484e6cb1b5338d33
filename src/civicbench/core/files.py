"""Writes that are whole or absent: to a temporary name, flushed to disk, then renamed."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from civicbench.core.errors import DiskFullError, PartAbsentError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# A plain file stands in the path, a folder at its end, or the path cannot be one.
_NO_FOLDER = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG}
# Libraries in other languages report a full disk as an error of their own, with this text.
_NO_SPACE_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded")
_LITTLE_SPACE_BYTES = 64 << 10


@contextlib.contextmanager
def disk_errors_explained(where: str) -> Iterator[None]:
    """Turn "no space left", "no write access" and "no folder" into errors that say what to do.

    Args:
        where: What was being written, for the message.

    Raises:
        DiskFullError: No space, quota or file-size limit.
        PartAbsentError: The folder may not be written, or a file stands where it should.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise _disk_full(error, where=where) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise PartAbsentError(
                "may not be written",
                where=where,
                got=str(error),
                remedy="set CIVICBENCH_HOME to a folder you may write to",
            ) from error
        if error.errno in _NO_FOLDER:
            raise PartAbsentError(
                "no folder can stand there",
                where=where,
                got=str(error),
                remedy="set CIVICBENCH_HOME to another folder, or move away what stands there",
            ) from error
        raise


def disk_full_behind(error: Exception, *, folder: Path) -> DiskFullError | None:
    """Return the error to show where a library failed because the disk was full, or None.

    Weight files are written by libraries that do not raise `OSError`: their text, or a disk
    without room, tells.

    Args:
        error: What the library raised.
        folder: Where it was writing.
    """
    told = any(text in str(error) for text in _NO_SPACE_TEXTS)
    full = folder.is_dir() and shutil.disk_usage(folder).free < _LITTLE_SPACE_BYTES
    return _disk_full(error, where=str(folder)) if told or full else None


def _disk_full(error: Exception, *, where: str) -> DiskFullError:
    return DiskFullError(
        "no space left to write",
        where=where,
        got=str(error),
        remedy="free space or set CIVICBENCH_HOME to a larger disk, then run the same command: "
        "finished stages are kept",
    )


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new, never a part.

    Args:
        path: The file; its folder is made where absent.
        content: Its bytes.

    Raises:
        DiskFullError: No space; the temporary file is removed.
        PartAbsentError: No right to write there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
    with disk_errors_explained(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def copy_file_whole(source: Path, target: Path) -> None:
    """Copy a file so that a reader sees none or all of it; its folder is made where absent.

    Raises:
        DiskFullError: No space; the temporary file is removed.
        PartAbsentError: No right to write there.
    """
    with disk_errors_explained(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as out, source.open("rb") as stream:
                shutil.copyfileobj(stream, out)
                out.flush()
                os.fsync(out.fileno())
            partial.chmod(0o644)
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)


def write_text_whole(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole; see `write_bytes_whole`."""
    write_bytes_whole(path, text.encode("utf-8"))


def write_json_whole(path: Path, value: Any) -> None:
    """Write a value as indented, key-sorted JSON, whole; see `write_bytes_whole`."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text_whole(path, text + "\n")


def rename_folder_whole(partial: Path, final: Path) -> None:
    """Put a finished folder into its place, after all of its files reached the disk."""
    with disk_errors_explained(str(final)):
        for path in sorted(partial.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, final)
        sync_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it, where it exists."""
    if folder.exists():
        shutil.rmtree(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entry list, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
