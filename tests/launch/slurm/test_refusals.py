"""What Slurm refuses, as it said it; and what the nodes do not have. On a real Slurm."""

import json
import os
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.launch.slurm.conftest import Here, Site


@pytest.mark.parametrize(
    ("change", "said", "remedy"),
    [
        ({"partition": "nope"}, "invalid partition specified: nope", "name a partition"),
        ({"memory_gb_per_node": 900}, "Memory specification can not be", "memory_gb_per_node"),
        ({"time_minutes": 600}, "Requested time limit is invalid", "lower time_minutes"),
        ({"gpus_per_node": 4, "processes_per_node": 1}, "configuration is not available", "GPUs"),
        (
            {"gpus_per_node": 1, "gpu_type": "h100"},
            "Requested node configuration is not available",
            "mend gpu_type",
        ),
        ({"cpus_per_node": 99}, "More processors requested than permitted", "cpus_per_node"),
        ({"nodes": 3}, "Node count specification invalid", "lower nodes"),
        ({"constraint": "weird"}, "Invalid feature specification", "mend constraint"),
        ({"reservation": "gone"}, "Requested reservation is invalid", "mend reservation"),
    ],
)
def test_a_refusal_is_shown_as_slurm_said_it_with_what_to_change(
    site: Site, here: Here, change: dict[str, Any], said: str, remedy: str
) -> None:
    site.profile(**change)
    done = here("launch", "smoke", "--cluster", "lab")
    assert done.code == 2
    refused = done.err
    assert "Slurm refused it" in refused
    assert said in refused
    assert remedy in refused.split("what to do:")[1]
    assert "Traceback" not in refused
    assert not list((site.home / "jobs").iterdir())
    assert not site.lab.run("squeue", "-h")


def test_where_a_later_job_is_refused_the_earlier_ones_are_taken_back(
    site: Site, here: Here
) -> None:
    site.profile(evaluation={"partition": "nope"})
    refused = here("launch", "smoke", "--cluster", "lab").err
    assert "sbatch, evaluate: Slurm refused it" in refused
    site.lab.wait_until(
        lambda: not site.lab.run("squeue", "-h"), timeout_s=20, what="an empty queue"
    )
    assert "nothing was launched" in here("jobs").out


def test_a_workspace_that_the_nodes_do_not_share_is_refused(site: Site, here: Here) -> None:
    site.profile(shared_folder="/somewhere/else")
    refused = here("launch", "smoke", "--cluster", "lab").err
    assert "not on storage that the cluster's nodes share" in refused
    assert "export CIVICBENCH_HOME=/somewhere/else/civicbench" in refused


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("training.batch_size_rows=1",), "1 rows a step, 2 processes"),
        (("training.batch_size_rows=4", "--processes", "4"), "4 rows a step, 8 processes"),
    ],
)
def test_more_processes_than_rows_are_refused_before_anything_waits(
    site: Site, here: Here, words: tuple[str, ...], says: str
) -> None:
    site.profile(nodes=2)
    done = here("launch", "smoke", *words, "--cluster", "lab")
    assert done.code == 2
    assert says in done.err
    assert not (site.home / "jobs").exists()


def test_sharing_weights_out_over_one_process_is_refused(site: Site, here: Here) -> None:
    done = here("launch", "smoke", "training.distributed=fsdp2", "--cluster", "lab")
    assert done.code == 2
    assert "fsdp2 with one process" in done.err


def test_a_dry_run_prints_scripts_that_slurm_takes_and_launches_nothing(
    site: Site, here: Here, tmp_path: Path
) -> None:
    printed = here("launch", "smoke", "--cluster", "lab", "--dry-run").out
    parts = printed.split("### ")[1:]
    assert [part.splitlines()[0] for part in parts] == [
        "train.sbatch", "evaluate.sbatch", "register.sbatch"
    ]  # fmt: skip
    for part in parts:
        path = tmp_path / "script"
        path.write_text(part.partition("\n")[2])
        site.lab.run("sbatch", "--test-only", path)
    assert not site.lab.run("squeue", "-h")
    assert not (site.home / "jobs").exists()


def test_folders_with_odd_names_come_through(site: Site) -> None:
    """Slurm reads options and patterns in paths by rules of its own."""
    site.home = site.home.parent / 'it\'s 100%j "home" $x'
    launch = site.launch("smoke", "training.epochs=0.2", "--only-training")
    assert site.lab.wait(site.number(launch, "train")) == "COMPLETED", site.log(launch, "train")
    assert len(site.adapters()) == 1
    assert "ended with exit code 0" in site.log(launch, "train")


def test_waiting_jobs_say_why_in_plain_words(site: Site, here: Here) -> None:
    site.profile(partition="shut")
    launch = site.launched(here("launch", "smoke", "--cluster", "lab").out)
    name = launch["name"]
    site.lab.wait_until(
        lambda: site.lab.job(site.number(launch, "train"))["Reason"] == "PartitionDown",
        timeout_s=20,
        what="a reason",
    )
    shown = json.loads(here("jobs", "show", name, "--json").out)
    assert shown["summary"] == "waits: train"
    assert shown["steps"][0]["states"][0]["words"] == "the partition is down"
    waiting = shown["steps"][1]["states"][0]
    # Slurm names either, by which it looked at last.
    words = {"Dependency": "waits for the job before it", "PartitionDown": "the partition is down"}
    assert waiting["task"] == 0
    assert words[waiting["reason"]] in here("jobs", "show", name).out
    absent = here("jobs", "logs", name)
    assert absent.code == 5
    assert "there is no log yet" in absent.err
    assert "ended jobs" in here("cancel", name[:10]).out
    assert "there is no launch 'smok" in here("cancel", "smokey").err


def test_a_dependency_that_can_never_be_satisfied_is_reported(site: Site) -> None:
    """Both with and without sbatch's --kill-on-invalid-dep, as other tools leave it out."""
    failing = site.lab.run("sbatch", "--parsable", "--output=/dev/null", "--wrap", "exit 3")
    after = f"--dependency=afterok:{failing}"
    waits = site.lab.run("sbatch", "--parsable", after, "--output=/dev/null", "--wrap", "true")
    killed = site.lab.run(
        *("sbatch", "--parsable", after, "--kill-on-invalid-dep=yes"),
        *("--output=/dev/null", "--wrap", "true"),
    )
    assert site.lab.wait(killed) == "CANCELLED"
    site.lab.wait_until(
        lambda: site.lab.job(waits)["Reason"] == "DependencyNeverSatisfied",
        timeout_s=20,
        what="a dependency that cannot be",
    )
    states = look_up_in(site, [failing, waits, killed])
    assert states[failing]["exit_code"] == 3
    assert states[failing]["words"] == "registered; the gate is not met"
    assert "will never start" in states[waits]["words"]
    assert "never started" in states[killed]["words"]


def look_up_in(site: Site, numbers: list[str]) -> dict[str, Any]:
    code = (
        "import json, sys; from civicbench.launch.slurm.states import look_up; "
        "found = look_up(sys.argv[1:]); "
        "print(json.dumps({n: s[0].model_dump(mode='json') for n, s in found.items()}))"
    )
    done = subprocess.run(
        [site.python, "-c", code, *numbers],
        env=site.environment, text=True, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_accounting_answers_for_what_slurm_has_forgotten(site: Site) -> None:
    if not site.lab.accounting:
        pytest.skip("slurmdbd is not installed")
    number = site.lab.run(
        *("sbatch", "--parsable", "--array=0-1", "--output=/dev/null"),
        *("--wrap", "exit $SLURM_ARRAY_TASK_ID"),
    )
    site.lab.wait(number)
    # As if Slurm had forgotten it: what scontrol is asked is not answered.
    tools = site.project / "bin"
    tools.mkdir()
    (tools / "scontrol").write_text("#!/bin/sh\necho 'Invalid job id specified' >&2\nexit 1\n")
    (tools / "scontrol").chmod(0o755)
    code = (
        "import sys; from civicbench.launch.slurm.states import look_up; "
        "print(sorted((s.task, s.state, s.exit_code, s.source) "
        "for s in look_up(sys.argv[1:])[sys.argv[1]]))"
    )
    wanted = "[(0, 'COMPLETED', 0, 'sacct'), (1, 'FAILED', 1, 'sacct')]"

    def answered() -> bool:
        done = subprocess.run(
            [site.python, "-c", code, number], text=True, capture_output=True, check=False,
            env=site.environment | {"PATH": f"{tools}:{site.environment['PATH']}"},
        )  # fmt: skip
        return done.stdout.strip() == wanted

    site.lab.wait_until(answered, timeout_s=30, what="rows of the accounting")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a node's storage can be hidden by root alone")
def test_a_node_that_does_not_see_the_workspace_is_named(site: Site) -> None:
    site.profile(nodes=2)
    site.home.mkdir()
    slurmd = str(site.lab.slurmd("n2"))
    inside = ("nsenter", "--target", slurmd, "--mount")
    site.lab.run(*inside, "mount", "-t", "tmpfs", "none", site.home)
    try:
        launch = site.launch("smoke", "--only-training")
        assert site.lab.wait(site.number(launch, "train"), timeout_s=60) == "FAILED"
        log = site.log(launch, "train")
        [state] = site.shown(launch)["steps"][0]["states"]
        found = site.run("doctor", "--cluster", "lab", code=2).stdout
    finally:
        site.lab.run(*inside, "umount", site.home)
    assert "node n2 does not see" in log
    assert "put shared_folder on storage that all of them share" in log
    assert state["exit_code"] == 5
    assert "node n2: workspace" in found
    assert "not seen" in found


@pytest.mark.slow
def test_a_taken_port_is_left_to_whom_it_belongs(site: Site) -> None:
    site.profile(nodes=2)
    last = int(site.lab.run("sbatch", "--parsable", "--output=/dev/null", "--wrap", "true"))
    site.lab.wait(str(last))
    with ExitStack() as taken:
        for number in (last + 1, last + 2):
            listener = taken.enter_context(socket.socket())
            listener.bind(("", 20_000 + number % 12_000))
            listener.listen()
        launch = site.launch("smoke", "--only-training")
        state = site.lab.wait(site.number(launch, "train"))
    log = site.log(launch, "train")
    assert state == "COMPLETED", log
    assert f"meeting at 127.0.0.1:{20_000 + (last + 3) % 12_000}" in log


def test_doctor_compares_the_profile_with_the_cluster(site: Site, here: Here) -> None:
    site.profile(nodes=2, gpus_per_node=1, gpu_type="lab")
    found = {f["what"]: f for f in json.loads(here("doctor", "--cluster", "lab", "--json").out)}
    assert found["partition"]["found"] == "main: UP, 2 nodes, at most 60 min"
    assert "types here: lab" in found["gpus_per_node of type lab"]["found"]
    assert "to start at" in found["a job of training"]["found"]
    for node in ("n1", "n2"):
        assert found[f"node {node}: workspace"]["found"] == "seen and may be written"
        assert found[f"node {node}: Civicbench"]["state"] == "good"
        assert found[f"node {node}: packages"]["state"] == "good"
        assert found[f"node {node}: name"]["found"] == "does not resolve"


def test_doctor_says_what_would_be_refused(site: Site, here: Here) -> None:
    site.profile(gpus_per_node=1, gpu_type="h100", time_minutes=90, nodes=3)
    done = here("doctor", "--cluster", "lab", "--json")
    assert done.code == 2
    bad = {f["what"]: f for f in json.loads(done.out) if f["state"] == "bad"}
    assert bad["time_minutes"]["found"] == "90 asked, 60 allowed"
    assert bad["nodes"]["found"] == "3 asked, 2 allowed"
    assert "types here: lab" in bad["gpus_per_node of type h100"]["found"]
    assert "a job of training" in bad
    site.profile(partition="mian")
    done = here("doctor", "--cluster", "lab")
    assert "name one of: main, low, high, shut" in " ".join(done.out.split())


def test_without_slurm_it_is_said_where_to_go(
    site: Site, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    done = here("launch", "smoke", "--cluster", "lab")
    assert done.code == 5
    assert "sbatch is not here" in done.err
    assert "login node" in done.err
