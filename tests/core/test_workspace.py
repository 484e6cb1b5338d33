import sqlite3
from pathlib import Path

import pytest

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry


def test_the_environment_names_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_HOME", "~/work")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Workspace.locate().home == tmp_path / "work"


@pytest.mark.parametrize("named", [None, ""])
def test_otherwise_it_stands_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    if named is None:
        monkeypatch.delenv("CIVICBENCH_HOME")
    else:
        monkeypatch.setenv("CIVICBENCH_HOME", named)
    assert Workspace.locate().home == tmp_path / ".civicbench"


@pytest.mark.parametrize(
    "name", ["plain", "with space", "50%", "a%41b", "what?", "a#b", "é", "a:b@c", "a&b=c"]
)
def test_the_registry_stands_in_the_workspace_whatever_its_name(tmp_path: Path, name: str) -> None:
    workspace = Workspace(tmp_path / name)
    with Registry.open_or_initialise(workspace, reporter=Reporter(live=False)) as registry:
        assert registry.list_versions() == ()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with sqlite3.connect(workspace.home / "registry.db") as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
