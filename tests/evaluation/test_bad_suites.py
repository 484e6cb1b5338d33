"""Suites that cannot be used are refused before a model is loaded, with what is wrong."""

from pathlib import Path

import pytest

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.evaluation.items import read_file_items
from civicbench.evaluation.suites import load_suite
from civicbench.recipes.loading import load_recipe

SUITE = """\
name: colours
title: Colours
kind: domain
measures: Colours.
does_not_measure: Shapes.
licence: CC0-1.0
items:
  file: items.jsonl
cluster: thing
tasks:
  - name: picked
    type: choice
    title: Picked
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own with one sound suite."""
    (tmp_path / "recipes").mkdir()
    folder = tmp_path / "evaluation" / "colours"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "items.jsonl").write_text(
        '{"id": "a", "prompt": "?", "choices": ["x", "y"], "answer": 0, "thing": "t"}\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sound_suite_is_found(project: Path) -> None:
    suite = load_suite("colours")
    assert suite.folder == project / "evaluation" / "colours"
    assert read_file_items(suite.folder / "items.jsonl", system=None)


def test_items_behind_a_broken_link_are_named(project: Path) -> None:
    items = project / "evaluation" / "colours" / "items.jsonl"
    items.unlink()
    items.symlink_to("nowhere.jsonl")
    with pytest.raises(PartAbsentError, match=r"items\.jsonl"):
        read_file_items(items, system=None)


@pytest.mark.parametrize("part", ["colours/suite.yaml", "colours"])
def test_a_suite_behind_a_broken_link_is_not_called_unknown(part: str, project: Path) -> None:
    path = project / "evaluation" / part
    moved = project / "moved"
    path.rename(moved)
    path.symlink_to(project / "nowhere")
    with pytest.raises(PartAbsentError, match="a link that leads nowhere") as caught:
        load_suite("colours")
    assert caught.value.where == str(path)


def test_a_suite_that_bears_another_suites_name_is_refused(project: Path) -> None:
    copy = project / "evaluation" / "colours-two"
    copy.mkdir()
    (copy / "suite.yaml").write_text(SUITE)
    with pytest.raises(InvalidInputError, match="name must equal the folder's name"):
        load_suite("colours-two")


def test_one_suite_asked_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="smoke"):
        load_recipe("smoke", overrides=["evaluation=[smoke, smoke]"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("    type: chioce\n", "chioce"),
        ("    metric: bleu\n    type: choice\n", "metric"),
        ("    type: choice\n    macro_f2: true\n", "did you mean macro_f1"),
    ],
)
def test_an_unknown_task_or_metric_is_refused_with_its_place(
    line: str, says: str, project: Path
) -> None:
    path = project / "evaluation" / "colours" / "suite.yaml"
    path.write_text(SUITE.replace("    type: choice\n", line))
    with pytest.raises(InvalidInputError, match=says) as caught:
        load_suite("colours")
    assert str(path) in str(caught.value)


def test_a_suite_file_that_is_no_yaml_is_refused(project: Path) -> None:
    path = project / "evaluation" / "colours" / "suite.yaml"
    path.write_text("name: [\n")
    with pytest.raises(InvalidInputError, match=r"suite\.yaml"):
        load_suite("colours")
