"""The workspace: where downloads, snapshots, runs, scores and the registry stand."""

import os
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.content import project_root
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.settings import Settings, parse_settings

SHARED_NAME = "registry.yaml"
"""The file in a workspace that names a registry kept elsewhere."""


class SharedRegistry(Settings):
    """`registry.yaml`: a registry that is not in the workspace."""

    registry: str | None = None
    """The database by URL, without a password."""
    files: str | None = None
    """The files by URL, as fsspec knows them."""


@dataclass(frozen=True)
class Workspace:
    """The folders in which work is kept, each named in one place.

    Attributes:
        home: `$CIVICBENCH_HOME`, or `.civicbench/` in the project.
        registry: The registry's database by URL; None for a file in the workspace.
        files: The registry's files by URL; None for a folder in the workspace.
    """

    home: Path
    registry: str | None = None
    files: str | None = None

    @classmethod
    def locate(cls) -> "Workspace":
        """Return the workspace of this environment and working folder.

        `$CIVICBENCH_REGISTRY_URL` and `$CIVICBENCH_STORE_URL` name a registry that a team shares;
        where they are not set, `registry.yaml` in the workspace may.

        Raises:
            InvalidInputError: Mistakes in `registry.yaml`.
        """
        named = os.environ.get("CIVICBENCH_HOME")
        home = Path(named).expanduser().resolve() if named else project_root() / ".civicbench"
        shared = _read_shared(home / SHARED_NAME)
        return cls(
            home,
            registry=os.environ.get("CIVICBENCH_REGISTRY_URL") or shared.registry,
            files=os.environ.get("CIVICBENCH_STORE_URL") or shared.files,
        )

    @property
    def downloads(self) -> Path:
        """Fetched files, laid out as HOST/PATH, and models made ready from them."""
        return self.home / "downloads"

    @property
    def models(self) -> Path:
        """Base models in safetensors form, by the digest of what they were made from."""
        return self.home / "models"

    @property
    def snapshots(self) -> Path:
        """Dataset snapshots by stage key."""
        return self.home / "snapshots"

    @property
    def tokens(self) -> Path:
        """Snapshots' rows as token ids, by stage key."""
        return self.home / "tokens"

    @property
    def runs(self) -> Path:
        """Training runs by stage key."""
        return self.home / "runs"

    @property
    def scores(self) -> Path:
        """Evaluation results by stage key."""
        return self.home / "scores"

    @property
    def judges(self) -> Path:
        """Judges of written answers by stage key, and what people labelled for them."""
        return self.home / "judges"

    @property
    def cards(self) -> Path:
        """Rendered cards by version."""
        return self.home / "cards"

    @property
    def reports(self) -> Path:
        """Evaluation reports by what they compare."""
        return self.home / "reports"

    @property
    def jobs(self) -> Path:
        """Launches on clusters: scripts, records and logs, one folder each."""
        return self.home / "jobs"

    @property
    def sweeps(self) -> Path:
        """Sweeps: what was declared, and each task's result."""
        return self.home / "sweeps"

    @property
    def store(self) -> Path:
        """The registry's files, by digest, unless they are kept elsewhere by URL."""
        return self.home / "store"

    @property
    def fetched(self) -> Path:
        """Files of a registry's store that is kept elsewhere, fetched and checked, by digest."""
        return self.home / "fetched"

    @property
    def launches(self) -> Path:
        """Logs of processes that were started together, by when that was."""
        return self.home / "launches"

    @property
    def locks(self) -> Path:
        """Lock files; a lock ends with its process."""
        return self.home / "locks"

    @property
    def registry_url(self) -> str:
        """The registry database as an SQLAlchemy URL."""
        if self.registry is not None:
            return self.registry
        path = str(self.home / "registry.db")
        # In such a URL % begins an escape and ? begins options.
        return f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"


def _read_shared(path: Path) -> SharedRegistry:
    if not path.is_file():
        return SharedRegistry()
    return parse_settings(SharedRegistry, read_yaml_mapping(path), where=str(path))
