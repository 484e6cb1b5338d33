"""The workspace: where downloads, snapshots, runs, scores and the registry stand."""

import os
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.content import project_root


@dataclass(frozen=True)
class Workspace:
    """The folders in which work is kept, each named in one place.

    Attributes:
        home: `$CIVICBENCH_HOME`, or `.civicbench/` in the project.
    """

    home: Path

    @classmethod
    def locate(cls) -> "Workspace":
        """Return the workspace of this environment and working folder."""
        named = os.environ.get("CIVICBENCH_HOME")
        return cls(Path(named).expanduser().resolve() if named else project_root() / ".civicbench")

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
    def store(self) -> Path:
        """The registry's files, by digest."""
        return self.home / "store"

    @property
    def locks(self) -> Path:
        """Lock files; a lock ends with its process."""
        return self.home / "locks"

    @property
    def registry_url(self) -> str:
        """The registry database as an SQLAlchemy URL."""
        path = str(self.home / "registry.db")
        # In such a URL % begins an escape and ? begins options.
        return f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"
