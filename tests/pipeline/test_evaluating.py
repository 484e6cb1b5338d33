"""`civicbench evaluate`: several models, repeats, several processes, and a kill in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.pipeline.runner import ROOT, environment, run, start

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.records import ITEMS_NAME
from civicbench.evaluation.scoring import RESULT_NAME
from civicbench.pipeline.evaluating import evaluate_recipe
from civicbench.pipeline.noise import known_noise
from civicbench.pipeline.running import run_training
from civicbench.recipes.loading import load_recipe


@pytest.fixture
def smoke(smoke_home: Path, home: Path) -> Workspace:
    """A copy of the workspace in which the smoke recipe was run."""
    shutil.copytree(smoke_home, home)
    return Workspace(home)


def score_bytes(scores: Path) -> dict[str, bytes]:
    """Return the result files by folder and name."""
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for name in (ITEMS_NAME, RESULT_NAME)
        for path in scores.glob(f"*/{name}")
    }


def evaluate_with_two_processes(
    workspace: Workspace, *, timeout_s: float
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "civicbench", "evaluate", "smoke"],
        cwd=ROOT,
        env={**environment(workspace.home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )  # fmt: skip


def test_two_processes_give_the_same_result_files_as_one(smoke: Workspace) -> None:
    expected = score_bytes(smoke.scores)
    assert len(expected) == 4
    shutil.rmtree(smoke.scores)
    done = evaluate_with_two_processes(smoke, timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert score_bytes(smoke.scores) == expected
    measured = json.loads(next(smoke.scores.glob("*/measurements.json")).read_text())
    assert measured["processes"] == 2
    # One process speaks; the other works.
    assert done.stdout.count("not distinguishable") == 5


def test_an_error_in_a_shared_evaluation_ends_all_processes(smoke: Workspace) -> None:
    shutil.rmtree(smoke.scores)
    for weights in smoke.models.glob("*/*.safetensors"):
        weights.write_bytes(b"spoilt")
    done = evaluate_with_two_processes(smoke, timeout_s=120)
    assert done.returncode != 0


def test_a_registered_version_is_scored_beside_the_recipe_s_own(smoke: Workspace) -> None:
    recipe = load_recipe("smoke", overrides=["training.rank=2"])
    done = evaluate_recipe(
        recipe,
        also=["smoke:1"],
        repeats=None,
        workspace=smoke,
        reporter=Reporter(live=False),
    )
    own, other = done.scores.contenders
    assert other.contender.label == "smoke:1"
    assert own.contender.digest != other.contender.digest
    # The registered version's scores stood; they were not made again.
    assert other.outputs["smoke"].reused
    assert not own.outputs["smoke"].reused
    assert [c.task for c in own.comparisons] == [c.task for c in other.comparisons]


def test_a_version_on_another_base_is_refused_before_work(smoke: Workspace) -> None:
    done = run(smoke.home, "evaluate", "enquiry-triage", "--also", "smoke:1")
    assert done.returncode == 2
    assert "another base model" in done.stderr


def test_repeats_measure_the_noise_and_the_gate_reads_it(smoke: Workspace) -> None:
    recipe = load_recipe("smoke", overrides=[])
    reporter = Reporter(live=False)
    done = evaluate_recipe(recipe, also=[], repeats=3, workspace=smoke, reporter=reporter)
    assert {(r.suite, r.role, r.repeats) for r in done.noise} == {
        ("smoke", "base", 3),
        ("smoke", "tuned", 3),
    }
    for record in done.noise:
        for metric in record.metrics:
            assert metric.spread.repeats == 3
            # In float32 batches and threads move the numbers by rounding alone.
            assert metric.log_likelihood_range < 1e-3
    inputs, _ = run_training(recipe, workspace=smoke, reporter=reporter)
    noise = known_noise(inputs, done.scores, workspace=smoke)
    assert set(noise) >= {("smoke", "colour", "accuracy"), ("smoke", "answer", "accuracy")}
    assert all(value >= 0 for value in noise.values())


def test_one_repeat_is_no_spread(smoke: Workspace) -> None:
    done = run(smoke.home, "evaluate", "smoke", "--repeats", "1")
    assert done.returncode == 2


def test_scores_verify_names_what_was_changed_with_exit_code_6(smoke: Workspace) -> None:
    assert run(smoke.home, "scores", "verify").returncode == 0
    listed = json.loads(run(smoke.home, "scores", "list", "--json").stdout)
    assert {entry["result"]["model"] for entry in listed} == {"base", "tuned"}
    path = next(smoke.scores.glob(f"*/{RESULT_NAME}"))
    path.write_text(path.read_text().replace('"items": 18', '"items": 19', 1))
    done = run(smoke.home, "scores", "verify", path.parent.name)
    assert done.returncode == 6
    assert "result.json is not the file that was written" in done.stderr


@pytest.mark.slow
def test_an_evaluation_killed_again_and_again_ends_the_same(smoke: Workspace) -> None:
    expected = score_bytes(smoke.scores)
    shutil.rmtree(smoke.scores)
    kills = 0
    for attempt in range(40):
        process = start(smoke.home, "evaluate", "smoke")
        time.sleep(3 + 0.2 * attempt)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
            process.communicate()
        else:
            process.communicate()
            break
    assert kills > 0
    assert score_bytes(smoke.scores) == expected
