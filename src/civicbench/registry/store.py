"""The content-addressed store: every file under its own sha256, whole or absent."""

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.files import disk_errors_explained, sync_folder
from civicbench.core.workspace import Workspace

_DIGEST = re.compile(r"[0-9a-f]{64}")
PLACE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}")
INCOMING = "incoming"
_CHUNK_BYTES = 1 << 20
_READ_ONLY = 0o444


@dataclass(frozen=True)
class StoreFindings:
    """What a walk through the store found, against what the registry names.

    Attributes:
        changed: Digests whose file has other bytes.
        missing: Digests that the registry names and the store lacks.
        foreign: Relative paths of what was never put here.
        leftovers: Relative paths of whole files that no version names, and of unfinished writes:
            what an interrupted registration leaves, harmless.
    """

    changed: tuple[str, ...]
    missing: tuple[str, ...]
    foreign: tuple[str, ...]
    leftovers: tuple[str, ...]


class Store:
    """Files in a folder, by digest, two characters deep (`ab/cdef...`), read-only once written.

    Args:
        folder: Where they stand; made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, digest: str) -> Path:
        """Return where a file of that digest stands, or would."""
        if not _DIGEST.fullmatch(digest):
            raise InvalidInputError("is not a sha256 digest", got=repr(digest))
        return self.folder / digest[:2] / digest[2:]

    def put(self, path: Path) -> str:
        """Store a file's bytes and return their sha256.

        Bytes that stand already are checked and kept.

        Raises:
            PartAbsentError: There is no such file, or the store may not be written.
            DiskFullError: No space; nothing is left behind.
            IntegrityError: The file changed while it was read, or what stands under its digest
                has other bytes.
        """
        if not path.is_file():
            raise PartAbsentError("no such file", where=str(path))
        digest = digest_file(path)
        with path.open("rb") as source:
            self._put(digest, write=lambda target: _copy(source, target), where=str(path))
        return digest

    def put_bytes(self, content: bytes) -> str:
        """Store bytes and return their sha256; raises what `put` raises."""
        digest = hashlib.sha256(content).hexdigest()
        self._put(digest, write=lambda target: target.write(content), where="bytes")
        return digest

    def get(self, digest: str) -> Path:
        """Return the path of a stored file after checking its bytes.

        Raises:
            IntegrityError: It is missing, or its bytes changed.
        """
        place = self.place(digest)
        if place.is_symlink() or not place.is_file():
            raise IntegrityError(
                "a registered file is missing from the store",
                where=str(place),
                remedy="restore it from a backup, or run the recipe again",
            )
        self._check(place, digest=digest)
        return place

    def size_bytes(self, digest: str) -> int | None:
        """Return a stored file's length, or None where it is missing."""
        place = self.place(digest)
        return place.stat().st_size if place.is_file() else None

    def verify(self, expected: Collection[str]) -> StoreFindings:
        """Read every file and say what is changed, missing, foreign or left over.

        Args:
            expected: The digests that the registry names.
        """
        named = set(expected)
        present: set[str] = set()
        changed, foreign, leftovers = [], [], []
        for path in sorted(self.folder.rglob("*")) if self.folder.is_dir() else []:
            relative = path.relative_to(self.folder).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if relative.startswith(f"{INCOMING}/"):
                leftovers.append(relative)
            elif path.is_symlink() or not path.is_file() or not PLACE.fullmatch(relative):
                foreign.append(relative)
            else:
                digest = relative.replace("/", "")
                present.add(digest)
                if digest_file(path) != digest:
                    changed.append(digest)
                elif digest not in named:
                    leftovers.append(relative)
        return StoreFindings(
            changed=tuple(changed),
            missing=tuple(sorted(named - present)),
            foreign=tuple(foreign),
            leftovers=tuple(leftovers),
        )

    def _put(self, digest: str, *, write: Callable[[BinaryIO], object], where: str) -> None:
        place = self.place(digest)
        if place.is_file():
            self._check(place, digest=digest)
            return
        with disk_errors_explained(str(self.folder)):
            incoming = self.folder / INCOMING
            incoming.mkdir(parents=True, exist_ok=True)
            temporary = incoming / f"{os.getpid()}-{secrets.token_hex(8)}.partial"
            try:
                with temporary.open("xb") as target:
                    write(target)
                    target.flush()
                    os.fsync(target.fileno())
                if digest_file(temporary) != digest:
                    raise IntegrityError("changed while it was being stored", where=where)
                temporary.chmod(_READ_ONLY)
                place.parent.mkdir(exist_ok=True)
                os.replace(temporary, place)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(place.parent)
            sync_folder(self.folder)

    def _check(self, place: Path, *, digest: str) -> None:
        found = digest_file(place)
        if found != digest:
            raise IntegrityError(
                "a registered file was changed in the store",
                where=str(place),
                got=f"sha256 {found}",
                remedy="move it away to look into it, then restore it from a backup "
                "or run the recipe again",
            )


def open_store(workspace: Workspace) -> Store:
    """Return a workspace's store: its folder, or the address that it names.

    Raises:
        InvalidInputError: fsspec does not know such an address.
        PartAbsentError: The package that reads it is not installed.
    """
    if workspace.files is None:
        return Store(workspace.store)
    from civicbench.registry.remote_store import RemoteStore

    return RemoteStore(workspace.files.rstrip("/"), cache=workspace.fetched)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
