"""A sweep on this machine: stopped, gone on with, and with a run that fails."""

import json
import re
import signal
import time
from pathlib import Path

import pytest
from tests.pipeline.runner import run, start

SWEEP = (
    "sweep", "smoke", "training.batch_size_rows=4,1000", "--only-training",
    "--winner-rule", "min:training_loss",
)  # fmt: skip


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_was_stopped_and_lists_the_run_that_failed(
    tmp_path: Path,
) -> None:
    process = start(tmp_path, *SWEEP, "--seeds", "2")
    end = time.monotonic() + 120
    while not (first := list(tmp_path.glob("sweeps/*/tasks/0000.json"))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    before = first[0].stat().st_mtime_ns
    declared = (first[0].parents[1] / "sweep.json").stat().st_mtime_ns
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert "give the same command to go on" in said

    again = run(tmp_path, *SWEEP, "--seeds", "2", "--json")
    assert again.returncode == 1
    assert re.search(r"= [12] of 4 runs found done", again.stderr)
    assert "2 of 4 runs failed" in again.stderr
    assert first[0].stat().st_mtime_ns == before > declared
    result = json.loads(again.stdout)
    assert result["state"] == "done, with failures"
    assert result["winner"] == 0
    assert [failure["number"] for failure in result["failures"]] == [2, 3]
    assert {failure["exit_code"] for failure in result["failures"]} == {2}
    assert "1000" in result["failures"][0]["error"]
    winner = result["variations"][0]
    assert winner["measures"]["training_loss"]["seeds"] == 2
    assert winner["measures"]["training_loss"]["low"] < winner["measures"]["training_loss"]["high"]

    shown = run(tmp_path, "sweeps", "show", result["name"])
    assert "Winner: training.batch_size_rows=4" in shown.stdout
    assert "run 2 failed (2): training.batch_size_rows=1000 training.seed=42" in shown.stdout
    assert result["name"] in run(tmp_path, "sweeps", "list").stdout
