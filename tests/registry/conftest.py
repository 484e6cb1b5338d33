from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registry.factory import make_evidence, make_files

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


@pytest.fixture
def registry(workspace: Workspace) -> Iterator[Registry]:
    with Registry.open_or_initialise(workspace, reporter=Reporter(live=False)) as opened:
        yield opened


@pytest.fixture
def version(registry: Registry, tmp_path: Path) -> VersionSummary:
    """A registered version (seed 0)."""
    evidence, measurements = make_evidence(0)
    return registry.register(
        evidence, measurements=measurements, files=make_files(tmp_path / "files", seed=0)
    )
