"""A launched run: whole processes on one machine, stopped, gone on with, and killed."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from tests.pipeline.runner import run, start
from tests.pipeline.test_stopping import wait_for_steps

SHARED = ("smoke", "--processes", "2", "training.distributed=fsdp2", "training.epochs=12")


def ranks_of(home: Path) -> list[int]:
    """Return the ids of the running processes of a launch in a workspace."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            said = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if f"CIVICBENCH_HOME={home}".encode() in said and b"RANK=1" in said:
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("smoke", "training.distributed=fsdp2"), 2, "--processes N"),
        (("smoke", "--processes", "9"), 2, "4 rows a step, 9 processes"),
        (("smoke", "training.distributed=fsdp"), 2, "did you mean fsdp2?"),
        (("smoke", "--machines", "2"), 2, "--meet HOST:PORT"),
        (("smoke", "--meet", "no-such-name.invalid:29500"), 2, "does not resolve"),
        (
            ("smoke", "--processes", "2", "training.distributed=deepspeed-zero3"),
            5,
            "civicbench[deepspeed]",
        ),
    ],
)
@pytest.mark.slow
def test_what_cannot_work_is_refused_before_anything_starts(
    arguments: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    done = run(tmp_path, "launch", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_launch_stops_with_a_checkpoint_goes_on_and_survives_a_killed_process(
    tmp_path: Path,
) -> None:
    process = start(tmp_path, "launch", *SHARED, "--only-training")
    wait_for_steps(tmp_path, process, steps=3)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate()
    assert process.returncode == 75, said
    found = re.search(r"step (\d+) of \d+: stopped by SIGUSR1", said)
    assert found, said
    assert "Traceback" not in said

    process = start(tmp_path, "launch", *SHARED, "--only-training", "--resume")
    wait_for_steps(tmp_path, process, steps=int(found[1]) + 2)
    for rank in ranks_of(tmp_path):
        os.kill(rank, signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 1, said
    assert f"going on from step {found[1]} of" in said
    assert "process 1 of 2 was ended by SIGKILL" in said
    assert "rank-1.log" in said
    assert ranks_of(tmp_path) == []

    done = run(tmp_path, "launch", *SHARED, "--resume")
    assert done.returncode in {0, 3}, done.stderr
    assert "registered" in done.stderr
    (measured,) = tmp_path.glob("runs/*/measurements.json")
    assert json.loads(measured.read_text())["resumed_from_step"] >= int(found[1])
    logs = {path.name for path in tmp_path.glob("launches/*/*")}
    assert logs == {"rank-1.log"}
