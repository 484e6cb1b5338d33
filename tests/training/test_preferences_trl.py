"""Direct preference optimisation: a step's loss and gradients are those of TRL's own trainer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tests.training.test_loop import build
from tests.training.test_preferences import SETTINGS, inputs_of_pairs, pairs  # noqa: F401
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from civicbench.training.examples import PreferencePair
from civicbench.training.inputs import TrainingInputs


def test_loss_and_gradients_of_a_step_are_trls_own(
    inputs_of_pairs: TrainingInputs,  # noqa: F811
    tmp_path: Path,
) -> None:
    settings = SETTINGS.model_copy(update={"maximum_gradient_norm": 1e9})
    ours = build(settings, inputs_of_pairs)
    rows = [inputs_of_pairs.train[row] for row in ours.order.rows_of(0)]
    theirs = build(settings, inputs_of_pairs).model
    theirs.get_base_model().set_attn_implementation("sdpa")
    tokenizer = inputs_of_pairs.renderer.tokenizer
    trainer = DPOTrainer(
        model=theirs,
        args=DPOConfig(
            output_dir=str(tmp_path), use_cpu=True, report_to="none", bf16=False,
            beta=settings.preference_beta, gradient_checkpointing=False, max_length=None,
        ),
        train_dataset=Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}]),
        processing_class=tokenizer,
    )  # fmt: skip
    # TRL takes an adapter that is there as the reference; ours is the base below it.
    theirs.delete_adapter("ref")
    collate = DataCollatorForPreference(pad_token_id=tokenizer.pad_token_id)
    loss = trainer.compute_loss(theirs, collate([as_trl_reads(row) for row in rows]))
    loss.backward()
    expected = {n: w.grad.clone() for n, w in theirs.named_parameters() if w.grad is not None}
    taken = ours.take_step(0, stop_asked=False)
    assert abs(taken.loss - 0.6931) > 1e-3  # the adapter does something, so the loss tells more
    assert taken.loss == pytest.approx(float(loss.detach()), abs=1e-5)
    assert ours.weights.keys() == expected.keys()
    for name, weight in ours.weights.items():
        assert torch.allclose(weight.grad, expected[name], atol=1e-5), name


def as_trl_reads(row: Any) -> dict[str, list[int]]:
    assert isinstance(row, PreferencePair)
    chosen, rejected = row.conversations
    return {
        "prompt_ids": list(chosen.rendered.prompt_ids),
        "chosen_ids": list(chosen.rendered.completion_ids),
        "rejected_ids": list(rejected.rendered.completion_ids),
    }
