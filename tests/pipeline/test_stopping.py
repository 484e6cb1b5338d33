"""Stopped by a signal, a command says so with its exit code, and goes on from there."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.pipeline.runner import ROOT, environment, run, start

TRAIN = ("train", "smoke", "training.epochs=12", "training.checkpoint_every_steps=1000")


def wait_for_steps(home: Path, process: "subprocess.Popen[str]", *, steps: int) -> None:
    """Wait until training has taken some steps."""
    while process.poll() is None:
        metrics = list(home.glob("runs/*.partial/metrics.jsonl"))
        if metrics and len(metrics[0].read_text().splitlines()) >= steps:
            return
        time.sleep(0.01)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_training_stops_at_the_next_step_and_goes_on_from_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = start(tmp_path, *TRAIN)
    wait_for_steps(tmp_path, process, steps=3)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 75, said
    found = re.search(rf"step (\d+) of \d+: stopped by {number.name}", said)
    assert found, said
    assert "run the same command" in said
    assert "Traceback" not in said
    again = run(tmp_path, *TRAIN, "--resume")
    assert again.returncode == 0, again.stderr
    assert f"going on from step {found[1]} of" in again.stderr
    (measured,) = tmp_path.glob("runs/*/measurements.json")
    assert json.loads(measured.read_text())["resumed_from_step"] == int(found[1])


def test_resume_refuses_what_was_changed_and_says_what(tmp_path: Path) -> None:
    process = start(tmp_path, *TRAIN)
    wait_for_steps(tmp_path, process, steps=2)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    changed = run(tmp_path, *TRAIN, "training.learning_rate=0.002", "--resume")
    assert changed.returncode == 2
    assert "training.learning_rate: " in changed.stderr
    assert "0.002 now" in changed.stderr
    assert "run without --resume" in changed.stderr
    assert len(list(tmp_path.glob("runs/*.partial"))) == 1


def test_there_is_nothing_to_resume_at_first(tmp_path: Path) -> None:
    done = run(tmp_path, "train", "smoke", "--resume")
    assert done.returncode == 2
    assert "no unfinished run that is like it" in done.stderr


def test_a_signal_outside_training_ends_with_the_same_code(tmp_path: Path) -> None:
    process = start(tmp_path, "run", "smoke")
    assert process.stderr is not None
    for line in process.stderr:
        if "suite" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 75, said
    assert "stopped by SIGTERM" in said
    again = run(tmp_path, "run", "smoke")
    assert again.returncode in {0, 3}, again.stderr


def torchrun(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "civicbench", *arguments],
        cwd=ROOT,
        env={**environment(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_share_every_step_and_one_goes_on_with_what_they_saved(
    tmp_path: Path,
) -> None:
    """The loss of each step is that of one process, and a run may change its number of them."""
    shared = torchrun(tmp_path / "two", *TRAIN[:3])
    assert shared.returncode == 0, shared.stderr
    alone = run(tmp_path / "one", *TRAIN[:3])
    assert alone.returncode == 0, alone.stderr

    def losses(home: Path) -> list[float]:
        (metrics,) = home.glob("runs/*/metrics.jsonl")
        return [json.loads(line).get("loss", 0.0) for line in metrics.read_text().splitlines()]

    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) > 10
    assert two == pytest.approx(one, rel=1e-3)

    process = start(tmp_path / "both", *TRAIN)
    wait_for_steps(tmp_path / "both", process, steps=5)
    process.send_signal(signal.SIGUSR1)
    process.communicate()
    ended = torchrun(tmp_path / "both", *TRAIN)
    assert ended.returncode == 0, ended.stderr
    assert "going on from step" in ended.stderr
    assert losses(tmp_path / "both") == pytest.approx(one, rel=1e-3)
