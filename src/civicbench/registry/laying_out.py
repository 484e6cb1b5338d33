"""Laying a version's files out in a folder, under their own paths."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from civicbench.core.digests import digest_files
from civicbench.core.errors import IntegrityError
from civicbench.core.files import disk_errors_explained, remove_folder, rename_folder_whole
from civicbench.registry.store import Store


def lay_out(digests: Mapping[str, str], *, store: Store, folder: Path) -> Path:
    """Copy files of the store into a folder, whole or not at all.

    A folder that holds exactly these files already is left as it is.

    Args:
        digests: The digest of each file, by its path in the folder.
        store: Where the files are.
        folder: Gets them.

    Raises:
        IntegrityError: The folder holds something else, or a stored file is missing or changed.
        DiskFullError: No space; nothing is left behind.
    """
    if folder.exists():
        if digest_files(folder) != digests:
            raise IntegrityError(
                "holds other files than the version's",
                where=str(folder),
                remedy="remove it, or name another folder",
            )
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    with disk_errors_explained(str(folder)):
        remove_folder(partial)
        try:
            for path, digest in digests.items():
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(store.get(digest), target)
            rename_folder_whole(partial, folder)
        finally:
            remove_folder(partial)
    return folder
