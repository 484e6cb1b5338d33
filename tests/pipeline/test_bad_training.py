"""Recipes, data and workspaces that cannot be trained with: refused, explained, nothing left."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.factory import QUIET
from tests.pipeline.runner import run, run_smoke

from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.pipeline.inputs import prepare_inputs
from civicbench.pipeline.starting import lay_out_project
from civicbench.recipes.loading import load_recipe

YEARS_AHEAD = 4102444800


def unfinished(home: Path) -> list[Path]:
    """Return what a stage left half-written."""
    return [path for path in home.rglob("*.partial*") if path.exists()]


def explained(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    """Return what an error says, after the promises that every error keeps."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr[done.stderr.rindex("error: ") :]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ("batch_size_rows=0", "training.batch_size_rows: input should be greater than 0; got 0"),
        ("epochs=0", "training.epochs: input should be greater than 0"),
        ("epochs=.inf", "training.epochs: input should be a finite number"),
        ("learning_rate=.nan", "training.learning_rate: input should be a finite number"),
        ("learning_rate=1e-4x", "training.learning_rate"),
        ("rank=0", "training.rank: input should be greater than 0"),
        ("rank=null", "lora needs rank"),
        ("target_modules=[]", "training.target_modules"),
        ("precision=float16", "training.precision: input should be 'float32' or 'bfloat16'"),
        ("quantisation=nf4 precision=float32", "set precision to bfloat16"),
        ("method=full", "full has no adapter"),
        ("method=full rank=null alpha=null target_modules=null quantisation=nf4",
         "quantised weights cannot be trained"),
        ("objective=dpo", "dpo needs preference_beta"),
        ("preference_beta=0.1", "preference_beta belongs to dpo"),
        ("gradient_accumulation_steps=5", "each needs a row"),
        ("initialisation=pissa weight_decomposed=true", "contradict each other"),
        ("checkpoint_every_steps=0 checkpoints_kept=0", "2 mistakes"),
        ("seed=-1", "training.seed"),
    ],
)  # fmt: skip
def test_settings_that_contradict_are_named(overrides: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_recipe("smoke", overrides=[f"training.{part}" for part in overrides.split()])
    assert says in str(caught.value)
    assert "smoke.yaml" in str(caught.value)


def test_a_contradiction_is_2_before_any_work(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for command in ("run", "train", "plan"):
        done = run(home, command, "smoke", "training.precision=float16", "training.epochs=0")
        error = explained(done, 2)
        assert "2 mistakes" in error
        assert "training.precision: input should be 'float32' or 'bfloat16'" in error
        assert not home.exists()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the smoke recipe's model, snapshot and tokens, and nothing trained."""
    home = tmp_path_factory.mktemp("ready") / "home"
    prepare_inputs(load_recipe("smoke"), workspace=Workspace(home), reporter=QUIET)
    return home


@pytest.fixture
def own(ready: Path, tmp_path: Path) -> Path:
    """The same as this test's own."""
    home = tmp_path / "home"
    shutil.copytree(ready, home)
    return home


@pytest.mark.parametrize(
    ("overrides", "where", "says"),
    [
        ("batch_size_rows=100000", "training.batch_size_rows", "100000"),
        ("target_modules=[q_prj]", "training.target_modules", "did you mean q_proj?"),
        ("target_modules=[q_proj,nothing]", "training.target_modules", "nothing"),
        ("rank=1000", "training.rank", "1000"),
        ("max_length_tokens=4096", "training.max_length_tokens", "tiny-random reads"),
        ("max_length_tokens=8", "training.max_length_tokens", "tokens)"),
        ("objective=dpo preference_beta=0.1", "smoke", "rejected"),
    ],
)
def test_a_recipe_that_does_not_fit_model_or_data_is_refused_before_training(
    overrides: str, where: str, says: str, own: Path
) -> None:
    done = run(own, "train", "smoke", *(f"training.{part}" for part in overrides.split()))
    error = explained(done, 2)
    assert where in error
    assert says in error
    assert not unfinished(own)
    assert not list(own.glob("runs/*"))


@pytest.mark.parametrize("folder", ["locks", "tokens", "runs", "snapshots", "models"])
def test_a_file_in_place_of_a_folder_is_explained(folder: str, own: Path) -> None:
    shutil.rmtree(own / folder, ignore_errors=True)
    (own / folder).write_text("")
    error = explained(run(own, "train", "smoke"), 5)
    assert str(own / folder) in error
    assert "what to do" in error
    assert not unfinished(own)
    (own / folder).unlink()
    if folder == "tokens":
        assert run(own, "train", "smoke").returncode == 0


@pytest.fixture
def read_only(own: Path) -> Iterator[Path]:
    """A workspace that may be read and not written, by root either."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a read-only bind needs root and mount")
    for options in ("bind", "remount,bind,ro"):
        made = subprocess.run([mount, "-o", options, str(own), str(own)], check=False)
        if made.returncode != 0:
            pytest.skip("this machine does not let a folder be bound")
    yield own
    subprocess.run(["umount", "-l", str(own)], check=True)


def test_a_workspace_without_write_access_is_explained(read_only: Path) -> None:
    error = explained(run(read_only, "train", "smoke"), 5)
    assert "may not be written" in error
    assert "set CIVICBENCH_HOME to a folder you may write to" in error
    # What stands ready is still read: nothing is written for a look.
    assert run(read_only, "doctor", "--recipe", "smoke").returncode == 0


def test_stamps_of_the_future_and_locks_of_the_dead_change_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = run_smoke(home)
    for path in home.rglob("*"):
        if path.suffix == ".lock":
            path.write_text("999999999\n")
        os.utime(path, (YEARS_AHEAD, YEARS_AHEAD), follow_symlinks=False)
    again = run(home, "run", "smoke", "--json")
    assert again.returncode == 0, again.stderr
    assert ": started under" not in again.stderr
    assert "waiting" not in again.stderr
    assert run_smoke(home)["version"] == first["version"]
    assert run(home, "registry", "verify").returncode == 0


def project(folder: Path, *rows: str) -> Path:
    """Lay out a project with more rows than its example has."""
    lay_out_project(folder)
    path = folder / "datasets/example/rows.jsonl"
    path.write_text(path.read_text("utf-8") + "".join(rows), "utf-8")
    return folder


def row(number: int, question: str, colour: str) -> str:
    fields = {"id": f"own-{number}", "thing": f"own-{number}"}
    return json.dumps({**fields, "question": question, "colour": colour}) + "\n"


def test_rows_of_many_scripts_are_trained_on_as_they_are(tmp_path: Path) -> None:
    texts = (
        "Pa liw yw\u2019r t\u0177?", "\u0645\u0627 \u0644\u0648\u0646 \u202e?", "\u7d05?",
        "\U0001f3f4\u200d\u2620", "<|im_end|>", "{{ messages }}", "\u05d0 \u0939\u093f",
    )  # fmt: skip
    # A colour of the smoke rows, so that the split deals them like these.
    rows = [row(n, text, "green") for n, text in enumerate(texts)]
    folder = project(tmp_path / "project", *rows)
    done = run(tmp_path / "home", "doctor", "--recipe", "example", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    trained = run(tmp_path / "home", "train", "example", cwd=folder)
    assert trained.returncode == 0, trained.stderr


@pytest.mark.parametrize(("question", "colour"), [("", "green"), ("   ", "green"), ("Why?", " ")])
def test_an_empty_row_is_named_and_no_snapshot_is_left(
    question: str, colour: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    folder = project(tmp_path / "project", row(1, question, colour))
    for command in (("train", "example"), ("doctor", "--recipe", "example")):
        error = explained(run(home, *command, cwd=folder), 2)
        assert "rows.jsonl" in error
        assert "empty" in error
        assert not unfinished(home)
        assert not list((home / "snapshots").glob("*"))
