"""The content-addressed store at an address that fsspec knows, with a folder of fetched files."""

import contextlib
import hashlib
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import fsspec

from civicbench.core.digests import digest_bytes, digest_file
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.files import disk_errors_explained
from civicbench.registry.store import INCOMING, PLACE, Store, StoreFindings

_CHUNK_BYTES = 1 << 20


class RemoteStore(Store):
    """Files in a folder at a URL, laid out as a local store is; `get` fetches and checks them.

    Args:
        url: Where they stand, such as `s3://bucket/registry`.
        cache: The folder for fetched files, checked each time they are used.

    Raises:
        InvalidInputError: fsspec does not know such an address.
        PartAbsentError: The package that reads it is not installed.
    """

    def __init__(self, url: str, *, cache: Path) -> None:
        super().__init__(cache)
        self.address = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise PartAbsentError(
                "the package for this kind of store is not installed", where=url, got=str(error)
            ) from None
        except ValueError as error:
            raise InvalidInputError("is no address of a store", where=url, got=str(error)) from None

    def put(self, path: Path) -> str:
        """Store a file and return its sha256; raises what a local store raises."""
        if not path.is_file():
            raise PartAbsentError("no such file", where=str(path))
        digest = digest_file(path)
        with self._explained():
            if not self._stands(digest):
                self._upload(digest, lambda target: self._files.put_file(str(path), target))
        return digest

    def put_bytes(self, content: bytes) -> str:
        """Store bytes and return their sha256; raises what `put` raises."""
        digest = digest_bytes(content)
        with self._explained():
            if not self._stands(digest):
                self._upload(digest, lambda target: self._files.pipe_file(target, content))
        return digest

    def get(self, digest: str) -> Path:
        """Return the path of a fetched file after checking its bytes.

        Raises:
            IntegrityError: It is missing where it is kept, or its bytes changed there.
            PartAbsentError: The address cannot be reached, and the file was not fetched before.
        """
        place = self.place(digest)
        if place.is_file() and not place.is_symlink() and digest_file(place) == digest:
            return place
        with self._explained():
            if not self._files.exists(self._remote(digest)):
                raise IntegrityError(
                    "a registered file is missing from the store",
                    where=self._remote(digest),
                    remedy="restore it from a backup, or run the recipe again",
                )
            with disk_errors_explained(str(self.folder)):
                incoming = self.folder / INCOMING
                incoming.mkdir(parents=True, exist_ok=True)
                temporary = incoming / f"{secrets.token_hex(8)}.fetched"
            try:
                self._files.get_file(self._remote(digest), str(temporary))
                if digest_file(temporary) != digest:
                    raise self._changed(digest)
                place.unlink(missing_ok=True)
                super().put(temporary)
            finally:
                temporary.unlink(missing_ok=True)
        return place

    def size_bytes(self, digest: str) -> int | None:
        """Return a stored file's length, or None where it is missing."""
        with self._explained():
            try:
                return int(self._files.info(self._remote(digest))["size"])
            except FileNotFoundError:
                return None

    def verify(self, expected: Collection[str]) -> StoreFindings:
        """Read every file where it is kept and say what is changed, missing, foreign or left."""
        named, present = set(expected), set()
        changed, foreign, leftovers = [], [], []
        with self._explained():
            paths = self._files.find(self._root) if self._files.exists(self._root) else []
            for path in sorted(paths):
                relative = path[len(self._root) :].lstrip("/")
                if relative.startswith(f"{INCOMING}/"):
                    leftovers.append(relative)
                elif not PLACE.fullmatch(relative):
                    foreign.append(relative)
                else:
                    digest = relative.replace("/", "")
                    present.add(digest)
                    if self._digest(path) != digest:
                        changed.append(digest)
                    elif digest not in named:
                        leftovers.append(relative)
        return StoreFindings(
            changed=tuple(changed),
            missing=tuple(sorted(named - present)),
            foreign=tuple(foreign),
            leftovers=tuple(leftovers),
        )

    def _remote(self, digest: str) -> str:
        place = self.place(digest).relative_to(self.folder).as_posix()
        return f"{self._root}/{place}"

    def _stands(self, digest: str) -> bool:
        if not self._files.exists(self._remote(digest)):
            return False
        if self._digest(self._remote(digest)) != digest:
            raise self._changed(digest)
        return True

    def _upload(self, digest: str, write: Any) -> None:
        # Renamed into place when whole: a store that copies instead leaves at most a leftover.
        temporary = f"{self._root}/{INCOMING}/{secrets.token_hex(8)}.partial"
        self._files.makedirs(f"{self._root}/{INCOMING}", exist_ok=True)
        write(temporary)
        if self._digest(temporary) != digest:
            self._files.rm_file(temporary)
            raise IntegrityError("changed while it was being stored", where=digest)
        self._files.makedirs(self._remote(digest).rpartition("/")[0], exist_ok=True)
        self._files.mv(temporary, self._remote(digest))

    def _digest(self, path: str) -> str:
        state = hashlib.sha256()
        with self._files.open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                state.update(chunk)
        return state.hexdigest()

    def _changed(self, digest: str) -> IntegrityError:
        return IntegrityError(
            "a registered file was changed in the store",
            where=self._remote(digest),
            remedy="move it away to look into it, then restore it from a backup "
            "or run the recipe again",
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PartAbsentError(
                "the store cannot be read or written",
                where=self.address,
                got=str(error)[:200],
                remedy="see that the address is right, and that you may use it",
            ) from error
