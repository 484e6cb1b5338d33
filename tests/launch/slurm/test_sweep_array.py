"""A sweep as an array on a real Slurm."""

import json

import pytest
from tests.launch.slurm.conftest import Site

GRID = ("training.rank=2,4", "training.learning_rate=1e-3,5e-4,2e-4")


@pytest.mark.slow
def test_a_sweep_of_24_tasks_ends_with_a_winner_and_a_lost_task_is_run_again(site: Site) -> None:
    site.profile(tasks_at_once=4)
    words = ("sweep", "smoke", *GRID, "--seeds", "4", "--only-training", "training.epochs=0.5",
             "--winner-rule", "min:training_loss", "--cluster", "lab")  # fmt: skip
    done = site.run(*words)
    name = done.stdout.split("Sweep: ")[1].split(",")[0]
    launch = site.launched(done.stdout)
    [job] = launch["jobs"]
    assert len(job["tasks"]) == 24
    assert job["tasks"][5].split() == [
        "training.rank=2", "training.learning_rate=5e-4", "training.epochs=0.5", "training.seed=43"
    ]  # fmt: skip
    # One of those that wait is lost.
    site.lab.run("scancel", f"{job['job_id']}_23")
    queue = ("squeue", "--noheader", "--jobs", job["job_id"])
    site.lab.wait_until(
        lambda: not site.lab.run(*queue, check=False), timeout_s=400, what="end of the array"
    )
    states = site.shown_states(launch, "sweep")
    assert states == ["COMPLETED"] * 23 + ["CANCELLED"], states
    result = json.loads(site.run("sweeps", "show", name, "--json").stdout)
    assert (result["done"], result["left"], result["winner"]) == (23, [23], None)

    again = site.run(*words).stdout
    second = site.launched(again)
    assert len(second["jobs"][0]["tasks"]) == 1
    site.lab.wait(second["jobs"][0]["job_id"])
    result = json.loads(site.run("sweeps", "show", name, "--json").stdout)
    assert (result["state"], result["done"]) == ("done", 24)
    assert result["trained_before"] == 0
    losses = [v["measures"]["training_loss"] for v in result["variations"]]
    assert len({loss["mean"] for loss in losses}) == 6
    assert all(loss["seeds"] == 4 and loss["low"] < loss["high"] for loss in losses)
    best = min(result["variations"], key=lambda v: v["measures"]["training_loss"]["mean"])
    assert result["winner"] == best["number"] == result["variations"][0]["number"]
    assert "every run" in site.run(*words).stdout
