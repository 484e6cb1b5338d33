"""The loss is TRL's, weighted by tokens; training stops before a bad number reaches the weights."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.factory import SNAPSHOT, make_examples, make_inputs, make_settings, run
from trl import SFTTrainer

from civicbench.core.errors import WorkFailedError
from civicbench.models.loading import load_adapter, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training import running
from civicbench.training.examples import IGNORED_LABEL, Example
from civicbench.training.inputs import TrainingInputs
from civicbench.training.settings import TrainingSettings
from civicbench.training.trainer import CompletionTrainer, ProgressCallback


def build(settings: TrainingSettings, inputs: TrainingInputs, folder: Path) -> CompletionTrainer:
    """Return a trainer whose adapter changes something from the start."""
    model = running.build_adapted_model(settings, inputs.prepared, spread=False)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.05
    callback = ProgressCallback(
        folder,
        advance=lambda _: None,
        tokens_per_step=1.0,
        held_out_every_steps=None,
        trackers=(),
    )
    return running.build_trainer(
        settings, inputs, model, checkpoints=folder / "checkpoints", callbacks=[callback]
    )


def batch_of(trainer: CompletionTrainer) -> dict[str, torch.Tensor]:
    """Return one padded batch with every row."""
    batch: dict[str, torch.Tensor] = trainer.data_collator(list(trainer.train_dataset))
    return batch


def loss_and_gradients(
    loss_of: Callable[..., Any], trainer: CompletionTrainer, **named: Any
) -> tuple[float, dict[str, torch.Tensor]]:
    trainer.model.zero_grad()
    loss = loss_of(trainer, trainer.model, batch_of(trainer), **named)
    loss.backward()
    gradients = {
        n: w.grad.clone() for n, w in trainer.model.named_parameters() if w.grad is not None
    }
    return float(loss.detach()), gradients


@pytest.mark.parametrize("tokens_of_step", [None, 1000])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_loss_and_gradients_are_trls_own(
    inputs: TrainingInputs, tmp_path: Path, tokens_of_step: int | None, checkpointing: bool
) -> None:
    trainer = build(make_settings(gradient_checkpointing=checkpointing), inputs, tmp_path)
    trainer.model.train()
    ours, our_gradients = loss_and_gradients(
        CompletionTrainer.compute_loss, trainer, num_items_in_batch=tokens_of_step
    )
    theirs, their_gradients = loss_and_gradients(
        SFTTrainer.compute_loss, trainer, num_items_in_batch=tokens_of_step
    )
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert ours > 0
    assert our_gradients.keys() == their_gradients.keys()
    assert len(our_gradients) == 2 * 7 * 2
    for name, gradient in our_gradients.items():
        assert torch.allclose(gradient, their_gradients[name], atol=1e-5), name
        assert gradient.abs().max() > 0


def first_points(settings: TrainingSettings, inputs: TrainingInputs, folder: Path) -> list[Any]:
    run(settings, inputs, folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_accumulated_batches_weigh_every_token_alike(
    tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    inputs = make_inputs(tiny, renderer, rows=6)
    counts = [len(e.rendered.completion_ids) for e in inputs.train]
    assert max(counts) > 4 * min(counts)
    alike = {"epochs": 2, "schedule": "constant", "warmup_share": 0.0}
    whole = first_points(make_settings(batch_size_rows=6, **alike), inputs, tmp_path / "whole")
    parts = first_points(
        make_settings(batch_size_rows=1, gradient_accumulation_steps=6, **alike),
        inputs,
        tmp_path / "parts",
    )
    assert len(whole) == len(parts) == 2
    for one, other in zip(whole, parts, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3)


def token_mean_loss(
    prepared: PreparedModel, adapter: Path, examples: list[Example]
) -> tuple[float, float]:
    """Return the loss per trained token, and what the mean of the rows' own means would be."""
    model = load_adapter(
        load_base(prepared, precision="float32"),
        adapter,
        base_weights_digest=prepared.record.weights_digest,
    )
    totals, means = [], []
    for example in examples:
        labels = torch.tensor([example.labels])
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([example.input_ids])).logits[:, :-1]
        mean = torch.nn.functional.cross_entropy(
            logits[0], labels[0, 1:], ignore_index=IGNORED_LABEL
        )
        totals.append(float(mean) * len(example.rendered.completion_ids))
        means.append(float(mean))
    trained = sum(len(e.rendered.completion_ids) for e in examples)
    return sum(totals) / trained, sum(means) / len(means)


def test_the_held_out_loss_is_the_mean_over_trained_tokens(
    tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    held_out = make_examples(renderer, rows=5)
    inputs = make_inputs(tiny, renderer, rows=4, held_out=held_out)
    points = first_points(make_settings(epochs=1, warmup_share=0.0), inputs, tmp_path)
    measured = next(p["eval_loss"] for p in points if "eval_loss" in p)
    expected, by_rows = token_mean_loss(tiny, tmp_path / "adapter", held_out)
    assert measured == pytest.approx(expected, abs=1e-5)
    assert abs(expected - by_rows) > 1e-3


def no_optimiser_step(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the optimiser's steps."""
    taken: list[int] = []
    step = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW, *arguments: Any, **named: Any) -> Any:
        taken.append(1)
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    return taken


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_optimisers_step(
    bad: float, inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(*arguments: Any, **named: Any) -> Any:
        base = load_base(*arguments, **named)
        base.get_output_embeddings().weight.data[7, 3] = bad
        return base

    monkeypatch.setattr(running, "load_base", spoilt)
    taken = no_optimiser_step(monkeypatch)
    with pytest.raises(WorkFailedError, match="loss is not finite") as caught:
        run(make_settings(), inputs, tmp_path)
    assert caught.value.where == "step 1"
    assert "learning_rate" in str(caught.value.remedy)
    assert taken == []
    assert not (tmp_path / "adapter").exists()


def test_a_gradient_that_is_not_finite_stops_before_the_optimisers_step(
    inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound loss with a broken gradient would spoil the adapter at the very last step."""
    adapted = running.build_adapted_model

    def spoilt(*arguments: Any, **named: Any) -> Any:
        model = adapted(*arguments, **named)
        weight = next(w for n, w in model.named_parameters() if "lora_B" in n)
        weight.register_hook(lambda gradient: gradient * math.inf)
        return model

    monkeypatch.setattr(running, "build_adapted_model", spoilt)
    taken = no_optimiser_step(monkeypatch)
    with pytest.raises(WorkFailedError, match="gradient is not finite"):
        run(make_settings(), inputs, tmp_path)
    assert taken == []
    assert not (tmp_path / "adapter").exists()


def test_the_trainer_refuses_to_return_logits_it_does_not_compute(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    trainer = build(make_settings(), inputs, tmp_path)
    with pytest.raises(ValueError, match="losses only"):
        trainer.compute_loss(trainer.model, batch_of(trainer), return_outputs=True)


def test_the_snapshot_of_the_inputs_is_named_in_the_record(finished: Path) -> None:
    assert running.read_training_record(finished).snapshot_digest == SNAPSHOT
