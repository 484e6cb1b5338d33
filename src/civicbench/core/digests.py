"""Names for content: sha256 over bytes, over canonical JSON and over folders."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SHORT_DIGEST_CHARACTERS = 12
_CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN.

    Args:
        value: Anything `json` can write.

    Raises:
        ValueError: A float that is not finite.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_bytes(content: bytes) -> str:
    """Return the sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_text(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_json(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON."""
    return digest_text(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def digest_files(folder: Path, *, exclude: Iterable[str] = ()) -> dict[str, str]:
    """Return the sha256 of each file under a folder, by its relative POSIX path.

    Args:
        folder: The folder to walk; links are not followed.
        exclude: Relative paths to leave out.
    """
    left_out = set(exclude)
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and relative not in left_out:
            found[relative] = digest_file(path)
    return found


def digest_listing(files: Mapping[str, str]) -> str:
    """Return the digest of a listing of files: what a folder of outputs is named by."""
    return digest_json(dict(files))


def short(digest: str) -> str:
    """Return the first characters of a digest, for people to read."""
    return digest[:SHORT_DIGEST_CHARACTERS]
