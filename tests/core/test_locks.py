"""Locks end with whoever held them, whatever their files say."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from civicbench.core.errors import PartAbsentError
from civicbench.core.locks import exclusive
from civicbench.core.progress import Reporter

HOLD = """
import sys
from pathlib import Path
from civicbench.core.locks import exclusive
from civicbench.core.progress import Reporter
with exclusive(Path(sys.argv[1]), what="it", reporter=Reporter(live=False)):
    print("held", flush=True)
    sys.stdin.read()
"""
LONG_AGO, YEARS_AHEAD = 0, 4102444800


class Listener(Reporter):
    """Keeps what is said, and tells when someone waits."""

    def __init__(self) -> None:
        super().__init__(live=False)
        self.waiting = threading.Event()

    def say(self, text: str) -> None:
        self.waiting.set()


def hold(path: Path) -> "subprocess.Popen[str]":
    """Start a process that holds a lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def take(path: Path) -> bool:
    """Take and leave a lock; return whether that had to wait."""
    listener = Listener()
    with exclusive(path, what="it", reporter=listener):
        assert path.read_text() == f"{os.getpid()}\n"
    return listener.waiting.is_set()


def test_a_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    process = hold(path)
    assert path.read_text() == f"{process.pid}\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists()
    assert not take(path)


@pytest.mark.parametrize("stamp", [LONG_AGO, YEARS_AHEAD])
@pytest.mark.parametrize("content", ["1\n", "999999999\n", "", "\0garbage"])
def test_a_lock_file_alone_locks_nothing(tmp_path: Path, content: str, stamp: int) -> None:
    path = tmp_path / "a.lock"
    path.write_text(content)
    os.utime(path, (stamp, stamp))
    assert not take(path)


def test_a_lock_that_is_held_is_waited_for_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process = hold(path)
    os.utime(path, (LONG_AGO, LONG_AGO))  # however old its file looks
    listener = Listener()
    taken = threading.Event()

    def wait() -> None:
        with exclusive(path, what="it", reporter=listener):
            taken.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert listener.waiting.wait(timeout=60)
    assert not taken.is_set()
    process.communicate("")
    waiter.join(timeout=60)
    assert taken.is_set()


def test_a_lock_that_cannot_stand_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a.lock", tmp_path / "folder"):
        with (
            pytest.raises(PartAbsentError) as caught,
            exclusive(path, what="it", reporter=Reporter(live=False)),
        ):
            pass
        assert "CIVICBENCH_HOME" in str(caught.value.remedy)
