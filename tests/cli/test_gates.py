"""Gates on the command line: listed, shown, written down, and caught where they were edited."""

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from civicbench.core.content import shipped_content_root
from civicbench.core.errors import ExitCode

GATE = """\
name: own
title: Our own gate
rules:
  - name: measured
    reason: Both models were asked.
    suite: smoke
    task: colour
    of: tuned
    judged_by: estimate
    at_least: 0.0
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a gate of its own; the workspace is a fresh one."""
    folder = tmp_path / "project"
    for name in ("recipes", "configs/gates"):
        (folder / name).mkdir(parents=True)
    (folder / "recipes/own.yaml").write_text("extends: smoke\nname: own\ngate: own\n")
    (folder / "configs/gates/own.yaml").write_text(GATE)
    monkeypatch.chdir(folder)
    return folder


def edit(project: Path, before: str, after: str) -> None:
    path = project / "configs/gates/own.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_gate_that_is_edited_after_training_is_caught(
    civicbench: Command, project: Path, home: Path
) -> None:
    first = civicbench("run", "own", home=home)
    assert first.code == 0, first.err
    assert "Gate own: met, registered before training" in first.out
    assert "gate own registered before training" in first.err

    edit(project, "at_least: 0.0", "at_least: -1.0")
    moved = civicbench("run", "own", home=home)
    assert moved.code == ExitCode.GATE_FAILED
    assert "Gate own: NOT met, moved after results" in moved.out
    assert "moved after results" in moved.err
    card = next(Path(line.split()[-1]) for line in moved.out.splitlines() if "card.md" in line)
    assert "Moved after results" in card.read_text()

    # Writing it down now, training under it anew and asking again: none of it helps.
    assert civicbench("gates", "register", "own", home=home).code == 0
    shutil.rmtree(home / "runs")
    again = civicbench("run", "own", home=home)
    assert again.code == ExitCode.GATE_FAILED
    assert "moved after results" in again.out

    edit(project, "at_least: -1.0", "at_least: 0.0")
    restored = civicbench("run", "own", home=home)
    assert restored.code == 0, restored.err
    assert civicbench("registry", "verify", home=home).code == 0


def test_a_gate_that_is_registered_before_training_may_judge_it(
    civicbench: Command, project: Path, home: Path
) -> None:
    """Two gates for one training: the second was agreed on before anything was known."""
    made = civicbench("gates", "register", "own", "--json", home=home)
    assert made.json["detail"]["gate"] == "own"
    assert civicbench("run", "smoke", home=home).code == 0
    done = civicbench("run", "own", home=home)
    assert done.code == 0, done.err
    assert "registered before training" in done.out


def test_listing_and_showing(civicbench: Command, project: Path, home: Path) -> None:
    listed = {gate["name"]: gate for gate in civicbench("gates", "list", "--json", home=home).json}
    shipped = {path.stem for path in (shipped_content_root() / "configs/gates").glob("*.yaml")}
    assert set(listed) == shipped | {"own"}
    assert listed["own"]["registered_at"] is None
    civicbench("gates", "register", "own", home=home)
    shown = civicbench("gates", "show", "own", "--json", home=home).json
    assert shown["rules"][0]["kind"] == "measured"
    assert [one["detail"]["digest"] for one in shown["registrations"]] == [shown["digest"]]
    text = civicbench("gates", "show", "own", home=home).out
    assert "Both models were asked." in text
    [own] = [g for g in civicbench("gates", "list", "--json", home=home).json if g["name"] == "own"]
    assert own["registered_at"] is not None


def test_checking_a_version_again_changes_nothing(civicbench: Command, smoke_home: Path) -> None:
    before = civicbench("registry", "verify", "--json", home=smoke_home).json
    done = civicbench("gates", "check", "smoke", "--json", home=smoke_home)
    assert done.code == 0, done.err
    assert (done.json["differs"], done.json["verdict"]["passed"]) == ([], True)
    other = civicbench("gates", "check", "smoke", "--gate", "safety-kept", home=smoke_home)
    assert other.code == ExitCode.GATE_FAILED
    assert "could not tell" in other.out
    assert civicbench("registry", "verify", "--json", home=smoke_home).json == before


def test_an_unknown_gate_is_met_with_the_nearest(civicbench: Command, home: Path) -> None:
    done = civicbench("gates", "show", "advise", home=home)
    assert done.code == ExitCode.INVALID_USE
    assert "did you mean advice?" in done.err
