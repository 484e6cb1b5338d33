"""The weights with the lowest held-out loss, and a run that ends when that no longer falls."""

from pathlib import Path

import pytest
from tests.training.factory import make_examples, make_inputs, make_settings, run
from tests.training.test_loop import token_mean_loss

from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import read_training_record

# Its steps are so long that the held-out loss falls at first and rises soon after.
WILD = {
    "learning_rate": 0.08, "schedule": "constant", "warmup_share": 0.0, "epochs": 6,
    "held_out_every_steps": 1, "batch_size_rows": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def wild_inputs(tiny: PreparedModel, renderer: ChatRenderer) -> TrainingInputs:
    examples = make_examples(renderer, rows=12)
    held_out = [e for n, e in enumerate(examples) if n % 5 == 3]
    return make_inputs(tiny, renderer, rows=7, held_out=held_out)


def test_the_best_weights_are_kept_not_the_last(
    wild_inputs: TrainingInputs, tiny: PreparedModel, tmp_path: Path
) -> None:
    run(make_settings(**WILD, keep="best"), wild_inputs, tmp_path)
    record = read_training_record(tmp_path)
    best = min(record.held_out_curve, key=lambda point: point.loss)
    assert record.kept_step == best.step < record.steps
    held_out = list(wild_inputs.held_out)
    measured, _ = token_mean_loss(tiny, tmp_path / "adapter", held_out)  # type: ignore[arg-type]
    assert measured == pytest.approx(best.loss, abs=1e-4)
    assert measured < record.held_out_curve[-1].loss - 1e-3

    run(make_settings(**WILD), wild_inputs, tmp_path / "last")
    last = read_training_record(tmp_path / "last")
    assert last.kept_step is None
    measured, _ = token_mean_loss(tiny, tmp_path / "last" / "adapter", held_out)  # type: ignore[arg-type]
    assert measured == pytest.approx(last.held_out_curve[-1].loss, abs=1e-4)


@pytest.mark.parametrize("patience", [1, 3])
def test_a_run_ends_after_so_many_losses_without_a_better_one(
    patience: int, wild_inputs: TrainingInputs, tmp_path: Path
) -> None:
    settings = make_settings(**WILD, early_stopping_patience=patience, keep="best")
    run(settings, wild_inputs, tmp_path)
    record = read_training_record(tmp_path)
    assert record.stopped_early
    losses = [point.loss for point in record.held_out_curve]
    best = losses.index(min(losses))
    assert len(losses) - 1 - best == patience
    assert record.kept_step == record.held_out_curve[best].step
    assert record.steps == record.held_out_curve[-1].step
