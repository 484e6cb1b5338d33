"""Trackers are told of the work, closed whatever happens, and send nothing without a key."""

import socket
import threading
import time
from pathlib import Path

import pytest
from tests.training.factory import make_settings, run

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.models import loading
from civicbench.training.inputs import TrainingInputs
from civicbench.training.objectives import AnswerLoss
from civicbench.training.tracking import (
    TrackerSettings,
    WandbTracker,
    check_tracker,
    load_tracker_settings,
)


class Notebook:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def log(self, values: dict[str, float], *, step: int) -> None:
        self.points.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def test_a_tracker_is_told_the_loss_of_every_step_and_closed(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    notebook = Notebook()
    run(make_settings(), inputs, tmp_path, trackers=lambda: (notebook,))
    assert [step for step, values in notebook.points if "loss" in values] == list(range(1, 9))
    assert notebook.finished == 1


def test_a_tracker_is_closed_when_training_fails(
    inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    notebook = Notebook()
    monkeypatch.setattr(AnswerLoss, "loss", fail)
    with pytest.raises(MemoryError):
        run(make_settings(), inputs, tmp_path, trackers=lambda: (notebook,))
    assert notebook.finished == 1


def test_an_absent_package_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PartAbsentError, match="wandb is not installed") as caught:
        check_tracker(load_tracker_settings("wandb"))
    assert "civicbench[wandb]" in str(caught.value.remedy)
    assert loading.require_package


def test_an_unknown_tracker_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match="did you mean wandb"):
        load_tracker_settings("wanbd")


class Ear:
    """Listens on a port of this machine and counts who calls."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.calls = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._server.close()


def test_wandb_without_a_key_writes_a_local_run_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    ear = Ear()
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", ear.address)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_X_SERVICE_WAIT", "300")  # a busy machine starts its service late
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, ear.address)
    tracker = WandbTracker(
        TrackerSettings(name="wandb", kind="wandb", project="tests"),
        run="a run",
        folder=tmp_path / "tracking",
        configuration={"rank": 4},
    )
    tracker.log({"loss": 1.5}, step=1)
    tracker.finish()
    ear.close()
    assert ear.calls == 0
    (record,) = (tmp_path / "tracking").rglob("*.wandb")
    assert "offline-run" in str(record)
    for _ in range(100):  # a process of its own writes it, on a busy machine a little later
        if b"loss" in record.read_bytes():
            break
        time.sleep(0.1)
    assert b"loss" in record.read_bytes()
