"""Jobs that are stopped, queued again, ended and changed, on a real Slurm."""

from collections.abc import Callable

import pytest
from tests.launch.slurm.conftest import Site

LONG = ("smoke", "training.epochs=24", "training.checkpoint_every_steps=1000")


@pytest.mark.slow
def test_a_preempted_run_of_two_nodes_goes_on_to_the_same_bytes(
    site: Site, elsewhere: Callable[..., bytes]
) -> None:
    site.profile(nodes=2, partition="low", cpus_per_node=4)
    launch = site.launch(*LONG, "--only-training")
    number = site.number(launch, "train")
    site.wait_for_steps(4)
    urgent = site.lab.run(
        *("sbatch", "--parsable", "--partition=high", "--cpus-per-task=4", "--mem=100"),
        *("--output=/dev/null", "--wrap", "sleep 1"),
    )
    assert site.lab.wait(urgent) == "COMPLETED"
    assert site.lab.wait(number, timeout_s=400) == "COMPLETED", site.log(launch, "train")
    assert site.lab.job(number)["Restarts"] == "1"
    log = site.log(launch, "train")
    assert "told to save and stop" in log
    assert "stopped with everything kept; queued again" in log
    assert "going on from step" in log
    whole = elsewhere("launch", *LONG, "--only-training", "--processes", "2")
    assert site.adapters() == [whole]


@pytest.mark.slow
def test_a_run_whose_node_dies_is_queued_again_and_goes_on(
    site: Site, elsewhere: Callable[..., bytes]
) -> None:
    words = (*LONG[:2], "training.checkpoint_every_steps=5")
    site.profile(nodes=2)
    launch = site.launch(*words, "--only-training")
    number = site.number(launch, "train")
    site.wait_for_steps(12)
    site.lab.run("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    site.lab.wait_until(
        lambda: site.lab.job(number)["Restarts"] == "1", timeout_s=30, what="requeue"
    )
    # A node that answered in the meantime is up already, which Slurm then calls invalid.
    site.lab.run("scontrol", "update", "nodename=n2", "state=resume", check=False)
    assert site.lab.wait(number, timeout_s=400) == "COMPLETED", site.log(launch, "train")
    assert "going on from step" in site.log(launch, "train")
    whole = elsewhere("launch", *words, "--only-training", "--processes", "2")
    assert site.adapters() == [whole]


@pytest.mark.slow
def test_a_run_longer_than_its_time_stops_before_it_and_goes_on_up_to_its_limit(
    site: Site,
) -> None:
    site.profile(time_minutes=1, signal_grace_s=20, requeue={"limit": 1})
    launch = site.launch("smoke", "training.epochs=2000", "--only-training")
    number = site.number(launch, "train")
    assert site.lab.wait(number, timeout_s=400) == "FAILED", site.log(launch, "train")
    assert site.lab.job(number)["ExitCode"] == "75:0"
    log = site.log(launch, "train")
    assert log.count("told to save and stop") == 2
    assert log.count("going on from step") == 1
    assert "not queued again: its limit is 1" in log
    [state] = site.shown(launch)["steps"][0]["states"]
    assert state["words"] == "stopped with everything kept; launch again to go on"
    assert state["restarts"] == 1


@pytest.mark.slow
def test_a_cancelled_launch_saves_ends_and_is_not_queued_again(site: Site) -> None:
    launch = site.launch(*LONG)
    site.wait_for_steps(3)
    twice = site.run("launch", *LONG, "--cluster", "lab", code=2)
    assert "the same work waits or runs already" in twice.stderr
    ended = site.run("cancel", launch["name"]).stdout
    assert all(job["job_id"] in ended for job in launch["jobs"])
    states = {site.lab.wait(job["job_id"], timeout_s=60) for job in launch["jobs"]}
    assert states == {"CANCELLED"}
    log = site.log(launch, "train")
    assert "told to end" in log
    assert "queued again" not in log
    assert list(site.home.glob("runs/*.partial/checkpoints/checkpoint-*/whole.json"))
    assert "nothing waits or runs" in site.run("cancel", launch["name"]).stdout


@pytest.mark.slow
def test_a_requeued_job_refuses_another_recipe_and_notices_an_edited_script(site: Site) -> None:
    recipe = site.project / "recipes" / "own.yaml"
    recipe.write_text("extends: smoke\nname: own\ntraining:\n  epochs: 200\n")
    launch = site.launch("own", "--only-training")
    number = site.number(launch, "train")
    site.wait_for_steps(2)
    script = site.home / "jobs" / launch["name"] / "train.sbatch"
    script.write_text(script.read_text().replace("OMP_NUM_THREADS=1", "OMP_NUM_THREADS=2"))
    recipe.write_text("extends: smoke\nname: own\ntraining:\n  epochs: 100\n")
    # As at preemption on most sites: the processes are told, and the script is not.
    site.lab.run("scancel", "--signal=TERM", number)
    assert site.lab.wait(number, timeout_s=200) == "FAILED"
    assert site.lab.job(number)["ExitCode"] == "2:0"
    log = site.log(launch, "train")
    assert "told" not in log
    assert "stopped with everything kept; queued again" in log
    assert "note: the kept script train.sbatch was changed by hand" in log
    assert "recipe.training.epochs: 200.0 at the launch, 100.0 now" in log
    table = site.run("jobs", "show", launch["name"]).stdout
    assert "train.sbatch was changed by hand" in " ".join(table.split())
    # The edited script itself is refused where it is submitted by hand.
    other = site.lab.run("sbatch", "--parsable", script)
    assert site.lab.wait(other, timeout_s=200) == "FAILED"
    assert site.lab.job(other)["ExitCode"] == "6:0"
    log = (script.parent / f"train-{other}.log").read_text()
    assert "-export OMP_NUM_THREADS=1; +export OMP_NUM_THREADS=2" in log
