"""A run that was stopped ends with the same bytes as one that was not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.training.factory import make_examples, make_inputs, make_settings, run

from civicbench.core.errors import InvalidInputError
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training import attempt
from civicbench.training.checkpoints import CHECKPOINT, Checkpoints
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import read_training_measurements, read_training_record

# Dropout draws random numbers in every step, so a lost generator state would show.
SETTINGS = make_settings(dropout=0.2, gradient_accumulation_steps=2, epochs=3, batch_size_rows=2)
STEPS = 12


class StoppedError(RuntimeError):
    """Stands for a kill."""


class Listener:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="session")
def with_held_out(tiny: PreparedModel, renderer: ChatRenderer) -> TrainingInputs:
    return make_inputs(tiny, renderer, held_out=make_examples(renderer, rows=3))


@pytest.fixture(scope="session")
def uninterrupted(with_held_out: TrainingInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(SETTINGS, with_held_out, tmp_path_factory.mktemp("uninterrupted"))


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop training right after a step, before anything is saved there."""
    note = attempt.Attempt._note_step

    def stopping(self: Any, taken: Any) -> None:
        note(self, taken)
        if self._state.steps == step:
            raise StoppedError

    monkeypatch.setattr(attempt.Attempt, "_note_step", stopping)


def outcome(folder: Path) -> dict[str, str]:
    names = ("training.json", "metrics.jsonl", "adapter/adapter_model.safetensors")
    return {name: (folder / name).read_bytes().hex() for name in names}


def interrupted_run(
    inputs: TrainingInputs, folder: Path, *, step: int, damage: Callable[[Path], None] | None = None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(StoppedError):
            run(SETTINGS, inputs, folder)
    assert not (folder / "training.json").exists()
    if damage is not None:
        damage(folder / "checkpoints")


# Before the first checkpoint, at one, just after one, in the second and third epoch, at the end.
@pytest.mark.parametrize("step", [1, 4, 5, 7, STEPS])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    step: int, with_held_out: TrainingInputs, uninterrupted: Path, tmp_path: Path
) -> None:
    interrupted_run(with_held_out, tmp_path, step=step)
    run(SETTINGS, with_held_out, tmp_path)
    assert outcome(tmp_path) == outcome(uninterrupted)
    record = read_training_record(tmp_path)
    assert record.steps == STEPS
    assert record.adapter_digest == read_training_record(uninterrupted).adapter_digest
    assert len(record.curve) == STEPS
    # The checkpoint of a step is written after the step's end: it is one checkpoint behind.
    resumed = read_training_measurements(tmp_path).resumed_from_step
    assert resumed == ((step - 1) // 2 * 2 or None)
    assert not (tmp_path / "checkpoints").exists()


def test_two_stops_are_as_good_as_none(
    with_held_out: TrainingInputs, uninterrupted: Path, tmp_path: Path
) -> None:
    interrupted_run(with_held_out, tmp_path, step=5)
    interrupted_run(with_held_out, tmp_path, step=9)
    run(SETTINGS, with_held_out, tmp_path)
    assert outcome(tmp_path) == outcome(uninterrupted)


def truncate_weights(checkpoints: Path) -> None:
    path = checkpoints / "checkpoint-6" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_mark(checkpoints: Path) -> None:
    (checkpoints / "checkpoint-6" / "whole.json").unlink()


def spoil_mark(checkpoints: Path) -> None:
    (checkpoints / "checkpoint-6" / "whole.json").write_bytes(b'{"a": \xff')


def lose_optimiser(checkpoints: Path) -> None:
    (checkpoints / "checkpoint-6" / "optimiser.safetensors").unlink()


@pytest.mark.parametrize("damage", [truncate_weights, lose_mark, spoil_mark, lose_optimiser])
def test_a_checkpoint_that_is_not_whole_is_passed_over(
    damage: Callable[[Path], None],
    with_held_out: TrainingInputs,
    uninterrupted: Path,
    tmp_path: Path,
) -> None:
    interrupted_run(with_held_out, tmp_path, step=7, damage=damage)
    run(SETTINGS, with_held_out, tmp_path)
    assert read_training_measurements(tmp_path).resumed_from_step == 4
    assert outcome(tmp_path) == outcome(uninterrupted)


def test_a_kill_while_a_checkpoint_is_written_goes_on_from_the_one_before(
    with_held_out: TrainingInputs, uninterrupted: Path, tmp_path: Path
) -> None:
    write = attempt.write_state

    def killed(folder: Path, state: Any, **named: Any) -> None:
        write(folder, state, **named)
        if state.steps == 8:
            raise StoppedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "write_state", killed)
        with pytest.raises(StoppedError):
            run(SETTINGS, with_held_out, tmp_path)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"checkpoint-2", "checkpoint-4", "checkpoint-6", "checkpoint-8.partial"}
    run(SETTINGS, with_held_out, tmp_path)
    assert read_training_measurements(tmp_path).resumed_from_step == 6
    assert outcome(tmp_path) == outcome(uninterrupted)


def test_the_newest_whole_checkpoint_is_found_by_number_not_by_name(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, kept=9)
    for step in (2, 9, 10):
        checkpoints.write(
            CHECKPOINT, step, lambda folder: [(folder / "weights").write_text("some"), None][1]
        )
    (tmp_path / "checkpoint-oddly-named").mkdir()
    listener = Listener()
    newest = lambda: checkpoints.newest_whole(reporter=listener)  # type: ignore[arg-type]  # noqa: E731
    assert newest() == tmp_path / "checkpoint-10"
    (tmp_path / "checkpoint-10" / "extra").write_text("was not there when it was marked")
    assert newest() == tmp_path / "checkpoint-9"
    assert listener.lines == ["  checkpoint-10 is not whole; looking at the one before it"]
    shutil.rmtree(tmp_path / "checkpoint-9")
    (tmp_path / "checkpoint-2" / "weights").write_text("other")
    assert newest() is None


def test_a_checkpoint_of_other_settings_is_refused_with_what_differs(
    with_held_out: TrainingInputs, tmp_path: Path
) -> None:
    interrupted_run(with_held_out, tmp_path, step=5)
    other = SETTINGS.model_copy(update={"learning_rate": 0.01})
    with pytest.raises(InvalidInputError, match="belongs to another run") as caught:
        run(other, with_held_out, tmp_path)
    assert caught.value.got == "training.learning_rate: 0.0005 in the checkpoint, 0.01 now"
    changed = replace(with_held_out, snapshot_digest="6" * 64)
    with pytest.raises(InvalidInputError) as caught:
        run(SETTINGS, changed, tmp_path)
    assert "dataset snapshot: 5555" in str(caught.value.got)


def test_how_often_checkpoints_are_kept_leaves_the_outcome_as_it_is(
    with_held_out: TrainingInputs, uninterrupted: Path, tmp_path: Path
) -> None:
    other = SETTINGS.model_copy(update={"checkpoint_every_steps": 5, "checkpoints_kept": 1})
    run(other, with_held_out, tmp_path)
    assert outcome(tmp_path) == outcome(uninterrupted)


def test_the_metrics_file_has_one_line_a_point_and_no_clock(uninterrupted: Path) -> None:
    points = [
        json.loads(line)
        for line in (uninterrupted / "metrics.jsonl").read_text().split("\n")
        if line
    ]
    assert [p["step"] for p in points if "loss" in p] == list(range(1, STEPS + 1))
    assert [p["step"] for p in points if "eval_loss" in p] == [4, 8, 12]
    known = {"step", "loss", "eval_loss", "learning_rate", "grad_norm"}
    assert all(len(p) > 1 and p.keys() <= known for p in points)
