"""The whole way of a recipe: what stands done is not done again, and what changed is."""

import json
from pathlib import Path

import pytest
from tests.pipeline.runner import run, run_smoke, start


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the smoke recipe was run once."""
    folder = tmp_path_factory.mktemp("home")
    run_smoke(folder)
    return folder


def stages(stderr: str) -> dict[str, str]:
    """Return "run" or "found" by stage, from what a run said."""
    found = {}
    for line in stderr.splitlines():
        if line.startswith("= "):
            found[line[2:].split(": ")[0]] = "found"
        elif line.startswith("+ "):
            found[line[2:].split(": ")[0]] = "run"
    return found


def test_a_second_run_finds_every_stage_done_and_the_same_version(home: Path) -> None:
    first = run_smoke(home)
    again = run(home, "run", "smoke", "--json")
    assert again.returncode == 0
    assert set(stages(again.stderr).values()) == {"found"}
    assert json.loads(again.stdout)["version"] == first["version"]
    listed = json.loads(run(home, "registry", "list", "--json").stdout)
    assert len(listed) == 1


def test_another_workspace_ends_in_the_same_version(home: Path, tmp_path: Path) -> None:
    digest = run_smoke(home)["version"]["digest"]
    assert run_smoke(tmp_path / "other")["version"]["digest"] == digest


def test_changing_the_gate_runs_no_stage_again(home: Path) -> None:
    project = home / "project"
    for folder in ("recipes", "configs/gates"):
        (project / folder).mkdir(parents=True)
    (project / "recipes/strict.yaml").write_text("extends: smoke\nname: strict\ngate: strict\n")
    (project / "configs/gates/strict.yaml").write_text(
        "name: strict\ntitle: Strict\nrules:\n"
        "  - {name: impossible, reason: To see it fail., suite: smoke, task: colour,"
        " of: tuned, judged_by: estimate, at_least: 1.1}\n"
    )
    done = run(home, "run", "strict", cwd=project)
    assert done.returncode == 3, done.stderr
    assert "impossible" in done.stderr
    kinds = {name: state for name, state in stages(done.stderr).items() if "version" not in name}
    assert set(kinds.values()) == {"found"}
    # The version stands in the registry all the same, with what the gate found.
    shown = json.loads(run(home, "registry", "show", "strict", "--json").stdout)
    assert shown["gate_passed"] is False


def test_changing_training_keeps_data_and_base_scores(home: Path) -> None:
    done = run(home, "run", "smoke", "training.rank=2")
    assert done.returncode == 0, done.stderr
    found = stages(done.stderr)
    assert found["dataset smoke"] == "found"
    assert found["base model tiny-random"] == "found"
    assert found["suite smoke, base model"] == "found"
    assert found["training lora on tiny-random"] == "run"
    assert found["suite smoke, tuned model"] == "run"


def test_how_often_checkpoints_are_written_changes_nothing_that_is_registered(
    home: Path,
) -> None:
    done = run(home, "run", "smoke", "training.checkpoint_every_steps=1")
    assert stages(done.stderr)["training lora on tiny-random"] == "found"


def test_two_runs_at_once_share_the_work_and_the_registry_stays_sound(tmp_path: Path) -> None:
    processes = [start(tmp_path, "run", "smoke", "--json") for _ in range(2)]
    ends = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    versions = [json.loads(out)["version"] for out, _ in ends]
    assert versions[0] == versions[1]
    worked = [stages(err) for _, err in ends]
    for stage in ("training lora on tiny-random", "suite smoke, tuned model"):
        assert sorted(each[stage] for each in worked) == ["found", "run"]
    assert run(tmp_path, "registry", "verify").returncode == 0
    events = json.loads(run(tmp_path, "registry", "show", "smoke", "--json").stdout)["events"]
    assert len(events) == 1


def test_the_run_ends_with_the_table_the_gate_and_the_card(home: Path) -> None:
    done = run(home, "run", "smoke")
    assert "Right colour" in done.stdout
    assert "Gate smoke: met" in done.stdout
    paths = [Path(line.split()[-1]) for line in done.stdout.splitlines() if "card." in line]
    assert {path.name for path in paths} == {"card.html", "card.md"}
    assert all(path.is_file() for path in paths)


def test_no_path_of_this_machine_stands_in_what_is_registered(home: Path) -> None:
    store = list((home / "store").rglob("*"))
    assert store
    for path in store:
        if path.is_file():
            assert str(home).encode() not in path.read_bytes(), path
