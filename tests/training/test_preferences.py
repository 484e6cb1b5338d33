"""Direct preference optimisation: log 2 at first, the paper's formula, a margin that grows."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.factory import ANSWERS, conversation, make_inputs, make_settings, run

from civicbench.core.ranks import Ranks
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, RenderedExample
from civicbench.training.adapting import build_trainable_model
from civicbench.training.examples import PreferencePair, render_pairs
from civicbench.training.inputs import TrainingInputs
from civicbench.training.loop import TrainingLoop
from civicbench.training.objectives import PreferenceLoss, build_objective
from civicbench.training.running import read_training_record

SETTINGS = make_settings(objective="dpo", preference_beta=0.3, batch_size_rows=4)


@pytest.fixture(scope="module")
def pairs(renderer: ChatRenderer) -> list[PreferencePair]:
    return list(
        render_pairs(
            [
                (
                    f"row-{n}",
                    conversation("Colour? " * (1 + n % 3) + str(n), ANSWERS[n % len(ANSWERS)]),
                    "a worse answer" + " indeed" * (n % 4),
                )
                for n in range(8)
            ],
            renderer=renderer,
            max_length_tokens=512,
            context_length_tokens=2048,
        )
    )


@pytest.fixture(scope="module")
def inputs_of_pairs(
    tiny: PreparedModel, renderer: ChatRenderer, pairs: list[PreferencePair]
) -> TrainingInputs:
    return replace(make_inputs(tiny, renderer), train=pairs, held_out=pairs[:3])


def build(inputs: TrainingInputs, **changes: Any) -> TrainingLoop:
    settings = SETTINGS.model_copy(update=changes)
    model = build_trainable_model(settings, inputs.prepared, spread=False)
    objective = build_objective(settings, inputs.train)
    return TrainingLoop(settings, model, objective=objective, ranks=Ranks())


def log_likelihood(model: Any, rendered: RenderedExample) -> float:
    """Return an answer's log-likelihood by plain transformers, one conversation at a time."""
    ids = [*rendered.prompt_ids, *rendered.completion_ids]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    start = len(rendered.prompt_ids)
    return sum(float(logits[start + n - 1, t]) for n, t in enumerate(rendered.completion_ids))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_is_log_2_before_anything_was_learnt(
    precision: str, inputs_of_pairs: TrainingInputs
) -> None:
    taken = build(inputs_of_pairs, precision=precision).take_step(0, stop_asked=False)
    assert taken.loss == pytest.approx(math.log(2), abs=1e-6)
    assert taken.gradient_norm > 0


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_loss_is_the_papers_formula_over_base_and_adapted_model(
    dropout: float, inputs_of_pairs: TrainingInputs, pairs: list[PreferencePair]
) -> None:
    loop = build(inputs_of_pairs, dropout=dropout)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in loop.weights.items():
            if "lora_B" in name:
                weight += torch.randn(weight.shape, generator=generator) * 0.2
    measured = loop.mean_loss(loop.objective)
    model = loop.model
    model.get_base_model().set_attn_implementation("sdpa")
    base = load_base(inputs_of_pairs.prepared, precision="float32").eval()
    losses = []
    for pair in pairs:
        gained = [
            log_likelihood(model, answer) - log_likelihood(base, answer)
            for answer in (pair.chosen, pair.rejected)
        ]
        margin = 0.3 * (gained[0] - gained[1])
        losses.append(math.log1p(math.exp(-margin)))
    assert max(losses) - min(losses) > 0.1
    assert measured == pytest.approx(sum(losses) / len(losses), abs=1e-4)


def test_training_prefers_the_chosen_answers_and_holds_no_second_model(
    inputs_of_pairs: TrainingInputs, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 8, "learning_rate": 0.01})
    run(settings, inputs_of_pairs, tmp_path)
    record = read_training_record(tmp_path)
    assert record.curve[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert record.held_out_curve[-1].loss < 0.5
    assert record.trained_tokens == sum(
        len(answer.completion_ids)
        for pair in inputs_of_pairs.train
        if isinstance(pair, PreferencePair)
        for answer in (pair.chosen, pair.rejected)
    )


def test_each_row_of_a_step_weighs_alike_however_it_is_split(
    inputs_of_pairs: TrainingInputs,
) -> None:
    def second_step(**changes: Any) -> float:
        loop = build(inputs_of_pairs, warmup_share=0.0, **changes)
        loop.take_step(0, stop_asked=False)
        return loop.take_step(1, stop_asked=False).loss

    whole = second_step()
    assert whole != pytest.approx(math.log(2), abs=1e-4)
    assert second_step(gradient_accumulation_steps=4) == pytest.approx(whole, rel=1e-4)
    assert second_step(micro_batch_tokens=200) == pytest.approx(whole, rel=1e-4)


def test_pairs_and_examples_are_not_mistaken_for_each_other(
    inputs: TrainingInputs, pairs: list[PreferencePair]
) -> None:
    with pytest.raises(TypeError):
        build_objective(SETTINGS, inputs.train)
    with pytest.raises(TypeError):
        build_objective(make_settings(), pairs)
    assert isinstance(build_objective(SETTINGS, pairs), PreferenceLoss)
