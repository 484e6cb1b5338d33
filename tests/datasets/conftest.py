from pathlib import Path

import pytest
from tests.datasets.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own, in which the test stands, with its mirror."""
    made = Project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(made.mirror))
    return made
