"""Mirror folders, and checking a file against the digest it was pinned by."""

import os
from pathlib import Path

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError


def mirror_folders() -> list[Path]:
    """Return the mirror folders of `$CIVICBENCH_MIRROR` (separated by colons)."""
    return [Path(part) for part in os.environ.get("CIVICBENCH_MIRROR", "").split(":") if part]


def verify_file(path: Path, sha256: str) -> None:
    """Check a file against its pinned digest.

    Raises:
        IntegrityError: The digests differ; both are named.
    """
    found = digest_file(path)
    if found != sha256:
        raise IntegrityError(
            "is not the file that was pinned",
            where=str(path),
            got=f"sha256 {found}, pinned {sha256}",
            remedy="remove it to fetch it again; if it differs once more, do not use it",
        )
