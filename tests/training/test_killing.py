"""Killed at random moments, again and again, a run ends with the bytes of one that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = ("training.json", "metrics.jsonl", "adapter/adapter_model.safetensors")


def kill(folder: Path, *, processes: int, kills: int, seed: int) -> list[dict[str, object]]:
    """Kill runs, compare each with the uninterrupted one, and return how their ends looked."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killing", str(folder),
         *map(str, (processes, kills, seed))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    whole = {name: (folder / "whole" / name).read_bytes() for name in OUTCOME}
    for run in range(1, said["runs"] + 1):
        ended = {name: (folder / f"run-{run}" / name).read_bytes() for name in OUTCOME}
        assert ended == whole, f"run {run}"
        assert not (folder / f"run-{run}" / "checkpoints").exists()
    ended_by: list[dict[str, object]] = said["ended"]
    assert len(ended_by) >= kills
    for end in ended_by:
        codes = end["codes"]
        assert isinstance(codes, list)
        if end["signal"] == "SIGKILL":
            # One that is left alone by a dead one stops with an error, and does not hang.
            assert sorted(codes) == [-9, *[1] * (processes - 1)]
        elif 75 in codes:
            assert codes == [75] * processes  # all agreed
        else:
            # It came before training began, where a command's own handler would answer it.
            assert any(int(code) < 0 for code in codes)
    assert any(75 in end["codes"] for end in ended_by)  # type: ignore[operator]
    return ended_by


def test_a_few_kills_of_one_process(tmp_path: Path) -> None:
    kill(tmp_path, processes=1, kills=4, seed=1)


@pytest.mark.slow
def test_thirty_kills_of_one_process(tmp_path: Path) -> None:
    kill(tmp_path, processes=1, kills=30, seed=2)


@pytest.mark.slow
def test_twenty_five_kills_of_one_of_two_processes(tmp_path: Path) -> None:
    kill(tmp_path, processes=2, kills=25, seed=3)
