from pathlib import Path

import pytest
from tests.cli.conftest import Command

from civicbench.core.digests import digest_files

_FILES = {
    "README.md",
    ".gitignore",
    "recipes/example.yaml",
    "datasets/example/dataset.yaml",
    "datasets/example/rows.jsonl",
    "evaluation/example/suite.yaml",
    "configs/gates/example.yaml",
}


def test_a_project_is_laid_out_and_its_example_is_valid(
    civicbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "new" / "project"
    assert civicbench("init", str(project)).code == 0
    assert digest_files(project).keys() == _FILES
    assert [path.name for path in project.parent.iterdir()] == ["project"]
    monkeypatch.chdir(project)
    assert civicbench("recipes", "validate", "example").code == 0
    recipe = civicbench("recipes", "show", "example", "--json").json
    assert (recipe["dataset"], recipe["evaluation"], recipe["gate"]) == (
        *("example", ["example"]),
        "example",
    )
    plan = civicbench("plan", "example", "--json")
    assert plan.code == 0
    assert plan.json["splits"]["train"] > 0
    assert digest_files(project).keys() == _FILES


@pytest.mark.parametrize("named", [".", "./", "here"])
def test_an_empty_folder_is_used_as_it_stands(
    civicbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.chdir(tmp_path if named == "here" else folder)
    assert civicbench("init", named).code == 0
    assert folder.stat().st_ino == before
    assert digest_files(folder).keys() == _FILES
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("holds", ["a file", "a hidden file", "is a file"])
def test_what_stands_already_is_never_touched(
    civicbench: Command, tmp_path: Path, holds: str
) -> None:
    target = tmp_path / "target"
    if holds == "is a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / (".hidden" if "hidden" in holds else "notes.txt")).write_text("mine")
    before = digest_files(tmp_path)
    done = civicbench("init", str(target))
    assert done.code == 2
    assert "nothing in it is overwritten" in done.err
    assert digest_files(tmp_path) == before


def test_a_place_under_a_file_is_explained(civicbench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = civicbench("init", str(tmp_path / "file" / "project"))
    assert done.code == 5
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_the_example_runs_the_whole_way(
    civicbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    civicbench("init", str(project))
    monkeypatch.chdir(project)
    monkeypatch.delenv("CIVICBENCH_HOME")
    done = civicbench("run", "example", "--json")
    assert done.code == 0, done.err
    assert done.json["version"]["model"] == "example"
    assert Path(done.json["card_html"]).is_relative_to(project / ".civicbench")
    again = civicbench("run", "example", "--json")
    assert again.json["version"] == done.json["version"]
    assert ": started under" not in again.err
