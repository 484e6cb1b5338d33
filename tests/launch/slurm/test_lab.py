"""The lab itself: what it starts ends with it, and nothing of it is reached from elsewhere."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.launch.slurm.conftest import ROOT, Site
from tests.launch.slurm.lab import Lab, missing


def listening(processes: set[int]) -> set[str]:
    """The addresses at which processes listen, from /proc."""
    inodes = set()
    for process in processes:
        try:
            links = [link.readlink() for link in Path(f"/proc/{process}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {str(link)[8:-1] for link in links if str(link).startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.add(words[1].partition(":")[0])
    return found


def test_nothing_of_the_lab_listens_off_the_loopback_address(site: Site) -> None:
    addresses = listening(set(site.lab.processes()))
    assert addresses == {"0100007F"}  # 127.0.0.1, as /proc writes it


@pytest.mark.slow
def test_the_lab_ends_with_the_process_that_started_it() -> None:
    absent = missing()
    if absent is not None:
        pytest.skip(absent)
    folder = Path(tempfile.mkdtemp(prefix="cbslurm"))
    code = (
        "import pathlib, sys, time\nfrom tests.launch.slurm.lab import running\n"
        "with running(pathlib.Path(sys.argv[1])):\n    print('up', flush=True)\n    time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    lab = Lab(folder)
    assert len(lab.processes()) >= 4
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    end = time.monotonic() + 30
    while lab.processes() or folder.exists():
        assert time.monotonic() < end, lab.processes()
        time.sleep(0.2)
