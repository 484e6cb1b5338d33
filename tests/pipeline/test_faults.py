"""Kills and full disks: the next run goes on, and ends with the same registered result."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pipeline.runner import run, run_smoke, start

pytestmark = pytest.mark.slow

STAGES = (
    "> dataset smoke",
    "> base model tiny-random",
    "> training lora on tiny-random",
    "> suite smoke, base model",
    "> suite smoke, tuned model",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose run was never disturbed."""
    home = tmp_path_factory.mktemp("whole")
    run_smoke(home)
    return home


@pytest.fixture(scope="module")
def expected(whole: Path) -> str:
    """The digest of the version that an undisturbed run registers."""
    return str(run_smoke(whole)["version"]["digest"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_in_a_stage_is_taken_up_and_ends_the_same(
    stage: str, expected: str, tmp_path: Path
) -> None:
    generator = random.Random(stage)
    for _ in range(3):
        process = start(tmp_path, "run", "smoke")
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(stage):
                break
        time.sleep(generator.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert run_smoke(tmp_path)["version"]["digest"] == expected
    assert run(tmp_path, "registry", "verify").returncode == 0
    assert not list(tmp_path.glob("*/*.partial"))


def test_training_killed_after_a_checkpoint_goes_on_from_it(expected: str, tmp_path: Path) -> None:
    process = start(tmp_path, "run", "smoke")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*.partial/checkpoints/checkpoint-*[0-9]/whole.json")):
        assert process.poll() is None, "the run ended before a checkpoint was seen"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = run(tmp_path, "run", "smoke", "--json")
    assert done.returncode == 0, done.stderr
    assert "going on from step" in done.stderr
    assert run_smoke(tmp_path)["version"]["digest"] == expected


def test_an_interrupted_run_exits_with_130_and_is_taken_up(expected: str, tmp_path: Path) -> None:
    process = start(tmp_path, "run", "smoke")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("> training"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert run_smoke(tmp_path)["version"]["digest"] == expected


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that can be made small and large."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("making a small disk needs root and mount")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=False
    )
    if made.returncode != 0:
        pytest.skip("this machine does not let a disk be mounted")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(disk: Path, *, kibibytes: int) -> None:
    """Make a mounted disk smaller or larger."""
    subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", str(disk)], check=True)


@pytest.mark.parametrize("stage", ["snapshots", "models", "runs", "scores", "registry", "cards"])
def test_a_disk_that_fills_up_in_a_stage_is_explained_and_nothing_is_half_written(
    stage: str, small_disk: Path, whole: Path, expected: str
) -> None:
    """All but one stage stands done, and the disk has two pages left for that one."""
    resize(small_disk, kibibytes=1 << 16)
    home = small_disk / "home"
    shutil.copytree(whole, home)
    if stage == "registry":
        shutil.rmtree(home / "store")
        for path in home.glob("registry.db*"):
            path.unlink()
    else:
        shutil.rmtree(home / stage)
    used = shutil.disk_usage(small_disk).used
    resize(small_disk, kibibytes=used // 1024 + 8)
    done = run(home, "run", "smoke")
    assert done.returncode == 5, done.stderr
    assert "no space left" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    for folder in ("snapshots", "models", "scores"):
        assert not list(home.glob(f"{folder}/*.partial"))
    resize(small_disk, kibibytes=1 << 16)
    again = run_smoke(home)["version"]["digest"]
    # With the registry went the log in which the gate was older than the training.
    assert (again == expected) == (stage != "registry")
    assert run(home, "registry", "verify").returncode == 0


def test_a_base_model_changed_on_disk_is_refused(whole: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    weights = next(home.glob("models/*/model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = run(home, "run", "smoke", "training.rank=3")
    assert done.returncode == 6
    assert "model.safetensors" in done.stderr
