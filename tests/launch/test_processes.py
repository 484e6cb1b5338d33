"""Processes that are started together end together, and say why."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from civicbench.launch.local import group_here
from civicbench.launch.processes import Ended, Group, run_group

# Starts processes as `civicbench launch` does: python -c DRIVER LOGS COUNT SCRIPT
DRIVER = """
import sys
from pathlib import Path
from civicbench.launch.local import group_here
from civicbench.launch.processes import run_group
command = [sys.executable, "-c", sys.argv[3]]
sys.exit(run_group(command, group=group_here(int(sys.argv[2])), logs=Path(sys.argv[1])).code)
"""
# Says that it stands ready, and ends with 75 at a signal that a run would answer.
PATIENT = """
import os, pathlib, signal, sys, time
def stop(number, frame):
    sys.exit(75)
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, stop)
place = pathlib.Path(os.environ["PLACE"])
(place / f"{os.environ['RANK']}-{os.getpid()}").touch()
time.sleep(60)
"""


def run(script: str, logs: Path, *, processes: int = 3) -> Ended:
    return run_group([sys.executable, "-c", script], group=group_here(processes), logs=logs)


def drive(logs: Path, script: str, *, processes: int = 3) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(logs), str(processes), script],
        env={**os.environ, "PLACE": str(logs.parent)}, text=True,
    )  # fmt: skip


def wait_for(place: Path, *, processes: int) -> list[int]:
    """Return the processes' ids once all stand ready."""
    while len(found := list(place.glob("[0-9]*-[0-9]*"))) < processes:
        time.sleep(0.01)
    return [int(path.name.partition("-")[2]) for path in found]


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_process_is_told_who_it_is_and_where_the_others_are(tmp_path: Path) -> None:
    script = (
        "import json, os; path = os.environ['OUT'] + os.environ['RANK'];"
        "json.dump(dict(os.environ), open(path, 'w'))"
    )
    group = Group(2, "node-a", 29500, machines=3, machine=1)
    ended = run_group(
        [sys.executable, "-c", script],
        group=group, logs=tmp_path / "logs", environment={"OUT": f"{tmp_path}/"},
    )  # fmt: skip
    assert ended == Ended(0)
    for place, rank in enumerate((2, 3)):
        told = json.loads((tmp_path / str(rank)).read_text())
        assert {name: told[name] for name in group.variables(place)} == {
            "RANK": str(rank), "LOCAL_RANK": str(place), "WORLD_SIZE": "6",
            "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1",
            "MASTER_ADDR": "node-a", "MASTER_PORT": "29500",
        }  # fmt: skip
        assert int(told["OMP_NUM_THREADS"]) >= 1


def test_the_first_keeps_the_terminal_and_each_other_has_a_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = "import os, sys; print('I am', os.environ['RANK'], file=sys.stderr)"
    assert run(script, tmp_path).code == 0
    assert capfd.readouterr().err == "I am 0\n"
    logs = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert logs == {"rank-1.log": "I am 1\n", "rank-2.log": "I am 2\n"}


def test_a_process_that_fails_ends_all_and_is_named(tmp_path: Path) -> None:
    """The others would wait for it for days; they are told, and what does not listen is killed."""
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.environ['RANK'] == '2': print('no such file'); sys.exit(5)\n"
        "time.sleep(60)"
    )
    begun = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("civicbench.launch.processes._GRACE_S", 0.4)
        ended = run(script, tmp_path)
    assert time.monotonic() - begun < 20
    assert (ended.code, ended.rank, ended.reason) == (5, 2, "ended with exit code 5")
    assert ended.last_lines() == ["no such file"]


def test_a_process_that_was_killed_is_named_with_a_likely_cause(tmp_path: Path) -> None:
    script = (
        "import os, time\nif os.environ['RANK'] == '1': os.kill(os.getpid(), 9)\ntime.sleep(60)"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("civicbench.launch.processes._GRACE_S", 0.4)
        ended = run(script, tmp_path)
    assert (ended.code, ended.rank, ended.by_signal) == (1, 1, True)
    assert "SIGKILL" in ended.reason
    assert "memory" in ended.reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_schedulers_signal_reaches_all_and_the_code_says_try_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    driver = drive(tmp_path / "logs", PATIENT)
    processes = wait_for(tmp_path, processes=3)
    driver.send_signal(number)
    assert driver.wait(timeout=20) == 75
    assert not any(is_running(process) for process in processes)


def test_processes_do_not_outlive_the_one_that_started_them(tmp_path: Path) -> None:
    driver = drive(tmp_path / "logs", PATIENT)
    processes = wait_for(tmp_path, processes=3)
    driver.kill()
    driver.wait()
    until = time.monotonic() + 20
    while any(is_running(process) for process in processes):
        assert time.monotonic() < until
        time.sleep(0.01)
