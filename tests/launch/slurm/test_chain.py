"""The way of a recipe on a real Slurm: training, an array over suites, registration."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load
from tests.launch.slurm.conftest import ROOT, Site


@pytest.mark.slow
def test_two_nodes_go_the_whole_way_and_train_what_one_process_does(
    site: Site, elsewhere: Callable[..., bytes]
) -> None:
    site.profile(nodes=2, gpus_per_node=1, gpu_type="lab", registration={"gpus_per_node": 0})
    launch = site.launch("smoke")
    assert [job["step"] for job in launch["jobs"]] == ["train", "evaluate", "register"]
    # Read along from before it starts until it has ended.
    follower = site.start("jobs", "logs", launch["name"], "--step", "train", "-f")
    state = site.lab.wait(site.number(launch, "register"), timeout_s=300)
    shown = site.shown(launch)
    assert state == "COMPLETED", shown
    assert shown["summary"] == "done"
    log = site.log(launch, "train")
    followed, _ = follower.communicate(timeout=60)
    assert followed == log
    # The lab's node names do not resolve.
    assert "does not resolve; meeting at its address 127.0.0.1" in log
    assert "found done" in site.log(launch, "register")
    [trained] = site.adapters()
    alone = load(elsewhere("smoke"))
    shared = load(trained)
    assert shared.keys() == alone.keys()
    for name, weights in alone.items():
        np.testing.assert_allclose(shared[name], weights, atol=2e-5, err_msg=name)
    versions = site.run("registry", "list").stdout
    assert "smoke" in versions
    listed = site.run("jobs").stdout
    assert launch["name"] in listed
    assert "done" in listed


def copy_of_smoke(project: Path, *, suites: tuple[str, ...]) -> None:
    """Lay out a recipe of the project's own, with copies of the smoke suite."""
    recipe = yaml.safe_load((ROOT / "recipes" / "smoke.yaml").read_text())
    recipe |= {"name": "own", "evaluation": list(suites), "gate": "smoke"}
    (project / "recipes" / "own.yaml").write_text(yaml.safe_dump(recipe))
    for suite in suites:
        folder = project / "evaluation" / suite
        shutil.copytree(ROOT / "evaluation" / "smoke", folder)
        text = (folder / "suite.yaml").read_text().replace("name: smoke\n", f"name: {suite}\n", 1)
        (folder / "suite.yaml").write_text(text)


@pytest.mark.slow
def test_a_failed_task_of_the_array_is_named_and_nothing_is_registered(site: Site) -> None:
    copy_of_smoke(site.project, suites=("smoke", "second"))
    site.profile(tasks_at_once=1)
    launch = site.launch("own")
    evaluate = site.number(launch, "evaluate")
    ends = "JobState=COMPLETED .*ArrayTaskId=0 |ArrayTaskId=0 .*JobState=COMPLETED "
    site.lab.wait_until(
        lambda: re.search(ends, site.lab.run("scontrol", "show", "job", "-o", evaluate)),
        timeout_s=300,
        what="first task done",
    )
    # Before the second task starts, what it would score is changed.
    suite = site.project / "evaluation" / "second" / "suite.yaml"
    suite.write_text(suite.read_text() + "# changed\n")
    site.lab.wait(site.number(launch, "register"))
    shown = site.shown(launch)
    assert site.shown_states(launch, "evaluate") == ["COMPLETED", "FAILED"]
    assert shown["summary"] == "failed: evaluate"
    [_, failed] = shown["steps"][1]["states"]
    assert failed["exit_code"] == 2
    assert failed["words"] == "a mistake in the recipe or another file"
    last = shown["steps"][2]["states"][0]
    assert last["state"] == "CANCELLED"
    assert "the job that it waited for failed" in last["words"]
    said = site.run("jobs", "logs", launch["name"]).stdout  # the failed task's, by itself
    assert "suite second: files" in said
    assert "what was launched has been changed since" in said
    table = site.run("jobs", "show", launch["name"]).stdout
    assert "evaluate: second" in table
    assert f"{evaluate}_1" in table
