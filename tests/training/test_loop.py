"""A step's loss is TRL's, weighted by tokens; nothing that is not finite reaches the weights."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.training.factory import SNAPSHOT, make_examples, make_inputs, make_settings, run
from tests.training.padding import collate
from trl import SFTTrainer

from civicbench.core.errors import WorkFailedError
from civicbench.core.ranks import Ranks
from civicbench.models.loading import load_adapter, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training import adapting, objectives, running
from civicbench.training.examples import IGNORED_LABEL, Example
from civicbench.training.inputs import TrainingInputs
from civicbench.training.loop import TrainingLoop
from civicbench.training.objectives import build_objective
from civicbench.training.optimising import learning_rate
from civicbench.training.settings import TrainingSettings


def build(settings: TrainingSettings, inputs: TrainingInputs) -> TrainingLoop:
    """Return a loop whose adapter changes something from the start."""
    model = adapting.build_trainable_model(settings, inputs.prepared, spread=False)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.05
    objective = build_objective(settings, inputs.train)
    return TrainingLoop(settings, model, objective=objective, ranks=Ranks())


def trl_gradients(
    settings: TrainingSettings, inputs: TrainingInputs, rows: list[int], folder: Path
) -> tuple[float, dict[str, torch.Tensor]]:
    """Return loss and gradients of TRL's own trainer on the same rows, padded by its collator."""
    from datasets import Dataset
    from trl import SFTConfig

    model = build(settings, inputs).model
    model.get_base_model().set_attn_implementation("sdpa")
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(folder), use_cpu=True, report_to="none", max_length=None,
            completion_only_loss=False, dataset_kwargs={"skip_prepare_dataset": True},
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list([{"input_ids": [1], "labels": [1]}]),
        processing_class=inputs.renderer.tokenizer,
    )  # fmt: skip
    batch = collate([inputs.train[row] for row in rows], renderer=inputs.renderer)
    items = (batch["labels"] != IGNORED_LABEL).sum()
    loss = trainer.compute_loss(model, batch, num_items_in_batch=items)
    loss.backward()
    gradients = {n: w.grad.clone() for n, w in model.named_parameters() if w.grad is not None}
    return float(loss.detach()), gradients


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size_rows": 7},
        {"batch_size_rows": 7, "gradient_accumulation_steps": 3},
        {"batch_size_rows": 7, "micro_batch_tokens": 150},
        {"batch_size_rows": 7, "gradient_checkpointing": True},
    ],
)
def test_loss_and_gradients_of_a_step_are_trls_own(
    changes: dict[str, Any], inputs: TrainingInputs, tmp_path: Path
) -> None:
    settings = make_settings(maximum_gradient_norm=1e9, **changes)
    loop = build(settings, inputs)
    theirs, their_gradients = trl_gradients(settings, inputs, loop.order.rows_of(0), tmp_path)
    taken = loop.take_step(0, stop_asked=False)
    assert taken.loss == pytest.approx(theirs, abs=1e-5)
    assert taken.loss > 0
    assert loop.weights.keys() == their_gradients.keys()
    for name, weight in loop.weights.items():
        assert weight.grad is not None
        assert torch.allclose(weight.grad, their_gradients[name], atol=1e-5), name
        assert weight.grad.abs().max() > 0
    norm = math.sqrt(sum(float(g.square().sum()) for g in their_gradients.values()))
    assert taken.gradient_norm == pytest.approx(norm, rel=1e-4)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("warmup_share", [0.0, 0.13, 0.5])
def test_learning_rates_are_transformers_own(schedule: str, warmup_share: float) -> None:
    settings = make_settings(schedule=schedule, warmup_share=warmup_share, learning_rate=0.01)
    steps = 23
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([weight], lr=0.01)
    schedules = transformers.get_scheduler(
        schedule, optimiser, num_warmup_steps=math.ceil(steps * warmup_share),
        num_training_steps=steps,
    )  # fmt: skip
    for step in range(steps):
        expected = schedules.get_last_lr()[0]
        assert learning_rate(settings, step=step, steps=steps) == pytest.approx(expected, abs=1e-12)
        optimiser.step()
        schedules.step()


def test_a_constant_rate_warms_up_too() -> None:
    settings = make_settings(schedule="constant", warmup_share=0.5, learning_rate=0.01)
    rates = [learning_rate(settings, step=step, steps=8) for step in range(8)]
    assert rates == pytest.approx([0, 0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01, 0.01])


def first_points(settings: TrainingSettings, inputs: TrainingInputs, folder: Path) -> list[Any]:
    run(settings, inputs, folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("split", [{"gradient_accumulation_steps": 6}, {"micro_batch_tokens": 60}])
def test_a_step_in_many_passes_weighs_every_token_alike(
    split: dict[str, int], tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    inputs = make_inputs(tiny, renderer, rows=6)
    counts = [len(e.rendered.completion_ids) for e in inputs.train]
    assert max(counts) > 4 * min(counts)
    alike = {"epochs": 2, "schedule": "constant", "warmup_share": 0.0, "batch_size_rows": 6}
    whole = first_points(make_settings(**alike), inputs, tmp_path / "whole")
    parts = first_points(make_settings(**alike, **split), inputs, tmp_path / "parts")
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

    monkeypatch.setattr(adapting, "load_base", spoilt)
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
    adapted = adapting.build_trainable_model

    def spoilt(*arguments: Any, **named: Any) -> Any:
        model = adapted(*arguments, **named)
        weight = next(w for n, w in model.named_parameters() if "lora_B" in n)
        weight.register_hook(lambda gradient: gradient * math.inf)
        return model

    monkeypatch.setattr(adapting, "build_trainable_model", spoilt)
    taken = no_optimiser_step(monkeypatch)
    with pytest.raises(WorkFailedError, match="gradient is not finite") as caught:
        run(make_settings(), inputs, tmp_path)
    assert "lora_B" in str(caught.value.got)
    assert taken == []
    assert not (tmp_path / "adapter").exists()


def test_a_loss_that_grows_stops_with_the_checkpoints_before_it_kept(
    inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = 0
    loss_of = objectives.AnswerLoss.loss

    def growing(self: Any, *arguments: Any, **named: Any) -> torch.Tensor:
        nonlocal passes
        passes += 1
        return loss_of(self, *arguments, **named) * max(1.0, passes / 10)

    monkeypatch.setattr(objectives.AnswerLoss, "loss", growing)
    settings = make_settings(epochs=60, batch_size_rows=7, checkpoint_every_steps=5)
    with pytest.raises(WorkFailedError, match="diverged") as caught:
        run(settings, inputs, tmp_path)
    assert "learning_rate" in str(caught.value.remedy)
    assert list((tmp_path / "checkpoints").glob("checkpoint-*/weights.safetensors"))
    assert not (tmp_path / "adapter").exists()


def test_the_snapshot_of_the_inputs_is_named_in_the_record(finished: Path) -> None:
    assert running.read_training_record(finished).snapshot_digest == SNAPSHOT
