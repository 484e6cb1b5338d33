"""A scheduler may tell processes to stop before they listen: they then had nothing to save."""

import signal
from pathlib import Path

import pytest
from tests.launch.test_processes import drive, wait_for

# Says that it stands ready, and lets a signal end it.
DEAF = """
import os, pathlib, time
(pathlib.Path(os.environ["PLACE"]) / f"{os.environ['RANK']}-{os.getpid()}").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_processes_that_a_signal_ended_before_they_listened_are_to_be_tried_again(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = drive(tmp_path / "logs", DEAF, processes=2)
    wait_for(tmp_path, processes=2)
    process.send_signal(number)
    assert process.wait(timeout=30) == 75
