"""Naming, in a workspace, a registry that stands elsewhere."""

import dataclasses

import yaml

from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.workspace import SHARED_NAME, SharedRegistry, Workspace
from civicbench.registry.engines import parse_url
from civicbench.registry.store import open_store


def share_registry(workspace: Workspace, *, url: str | None, files: str | None) -> Workspace:
    """Write down where a workspace's registry is, and return the workspace with it.

    Args:
        workspace: The workspace.
        url: The database; None where it stays as it is.
        files: The files; None where they stay as they are.

    Raises:
        InvalidInputError: No address, or one that holds a password.
    """
    shared = SharedRegistry(
        registry=workspace.registry if url is None else url,
        files=workspace.files if files is None else files,
    )
    if shared.registry is not None and parse_url(shared.registry).password is not None:
        raise InvalidInputError(
            "the address holds a password, which would stand in a file for others to read",
            remedy="leave it out: PGPASSWORD or ~/.pgpass gives it; or set "
            "CIVICBENCH_REGISTRY_URL instead",
        )
    found = dataclasses.replace(workspace, registry=shared.registry, files=shared.files)
    open_store(found)  # refuses an address that fsspec does not know
    text = yaml.safe_dump(shared.model_dump(exclude_none=True), sort_keys=True)
    write_text_whole(workspace.home / SHARED_NAME, text)
    return found
