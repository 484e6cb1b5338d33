from collections.abc import Callable
from pathlib import Path

import pytest

WriteRecipe = Callable[[str, str], Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the user's own, in which the test works."""
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def write(project: Path) -> WriteRecipe:
    """Write a recipe of the project, given its name and text."""

    def write(name: str, text: str) -> Path:
        path = project / "recipes" / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
