"""The prompt that is asked is the one training would have made; a difference must be named."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.evaluation.factory import CHOICE, make_items, make_suite, scores_of, write_lines
from transformers import PreTrainedModel

from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.evaluation import tasks as tasks_module
from civicbench.evaluation.items import questions_of
from civicbench.evaluation.prompt_proof import named_differences, prove_prompts
from civicbench.evaluation.shots import Shot, put_shots_before, read_shots
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message

SHOTS = [Shot(f"shot-{n}", f"What colour is shot {n}?", f"Colour: {n}") for n in range(6)]


def test_the_result_carries_a_proof_that_changes_with_any_prompt(
    model: PreTrainedModel, tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    items = make_items(tmp_path, count=4)
    suite = make_suite(CHOICE)
    first = scores_of(suite, items, model, tiny, renderer).result
    assert first.differences_from_training == ()
    turns = (Message(role="user", content="Another question?"),)
    changed = [items[0].model_copy(update={"messages": turns}), *items[1:]]
    second = scores_of(suite, changed, model, tiny, renderer).result
    assert first.prompt_proof_digest != second.prompt_proof_digest
    assert scores_of(suite, items, model, tiny, renderer).result == first


@pytest.mark.parametrize("change", ["drop the last", "double the first", "another token"])
def test_token_ids_other_than_trainings_are_caught(
    change: str,
    model: PreTrainedModel,
    tiny: PreparedModel,
    renderer: ChatRenderer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    responses = tasks_module._responses

    def meddled(*arguments: Any) -> list[tasks_module.Response]:
        first, *rest = responses(*arguments)
        ids = first.prompt_ids
        other = {
            "drop the last": ids[:-1],
            "double the first": (ids[0], *ids),
            "another token": (*ids[:-1], 5),
        }[change]
        return [dataclasses.replace(first, prompt_ids=other), *rest]

    monkeypatch.setattr(tasks_module, "_responses", meddled)
    with pytest.raises(WorkFailedError, match="not the one that training would have used"):
        scores_of(make_suite(CHOICE), make_items(tmp_path), model, tiny, renderer)


def test_a_second_beginning_of_text_is_caught(renderer: ChatRenderer, tmp_path: Path) -> None:
    start = renderer.tokenizer.bos_token
    doubled = ChatRenderer(
        renderer.tokenizer,
        template=f"{start}{renderer.template}" if start else renderer.template,
        end_of_turn=renderer.end_of_turn,
        generation_prompt="<|im_start|>assistant\n",
    )
    suite = make_suite(CHOICE)
    questions = questions_of(suite.tasks[0], make_items(tmp_path), suite=suite)
    ids = [doubled.encode(doubled.render_prompt(q.item.messages)) for q in questions]
    assert ids[0][:2] == [renderer.tokenizer.bos_token_id] * 2
    with pytest.raises(WorkFailedError, match="doubled BOS") as caught:
        prove_prompts([("picked", questions, ids)], renderer=doubled, differences=())
    assert caught.value.where == "task picked, item item-0"


def test_a_system_turn_that_training_did_not_have_must_be_named(tmp_path: Path) -> None:
    items = make_items(tmp_path)
    suite = make_suite()
    trained = frozenset({"Be brief."})
    with pytest.raises(InvalidInputError, match="another system turn") as caught:
        named_differences(suite, items, trained=trained)
    assert caught.value.got == "no system turn"
    assert "differs_from_training.system_turn" in caught.value.remedy
    named = make_suite(differs_from_training={"system_turn": "all models alike"})
    assert named_differences(named, items, trained=trained) == ("system turn: all models alike",)
    assert named_differences(named, items, trained=frozenset({None, "x"})) == ()


def contents(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages]


def test_worked_examples_stand_before_every_item_in_one_order(tmp_path: Path) -> None:
    items = make_items(tmp_path)
    told = put_shots_before(items, SHOTS, count=3, seed=1, where="here")
    again = put_shots_before(items, SHOTS[::-1], count=3, seed=1, where="here")
    assert told == again
    other = put_shots_before(items, SHOTS, count=3, seed=2, where="here")
    assert contents(other[0].messages) != contents(told[0].messages)
    for item, before in zip(told, items, strict=True):
        assert len(item.messages) == 7
        assert contents(item.messages[:6]) == contents(told[0].messages[:6])
        assert item.messages[-1] == before.messages[-1]


def test_a_worked_example_that_is_an_item_is_refused(tmp_path: Path) -> None:
    items = make_items(tmp_path)
    leaks = [Shot("other", items[3].messages[-1].content, "Colour: red"), *SHOTS]
    with pytest.raises(InvalidInputError, match="its answer would be shown"):
        put_shots_before(items, leaks, count=2, seed=0, where="here")
    with pytest.raises(InvalidInputError, match="too few worked examples"):
        put_shots_before(items, SHOTS, count=7, seed=0, where="here")


def test_shots_must_be_named_as_a_difference_and_fit_the_items() -> None:
    with pytest.raises(ValidationError, match="shots must be named"):
        make_suite(shots={"count": 2, "file": "shots.jsonl"})
    with pytest.raises(ValidationError, match=r"shots\.file"):
        make_suite(shots={"count": 2}, differs_from_training={"shots": "why"})
    suite = make_suite(
        shots={"count": 2, "file": "shots.jsonl"}, differs_from_training={"shots": "why"}
    )
    assert named_differences(suite, [], trained=frozenset()) == ("2 worked examples: why",)


def test_worked_examples_with_mistakes_are_named(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "shots.jsonl",
        [{"id": "a", "prompt": "b", "answer": "c"}, {"id": "a", "prompt": "", "answer": "c"}],
    )
    with pytest.raises(InvalidInputError, match="line 2"):
        read_shots(path)


def test_items_after_worked_examples_are_scored_and_proven(
    model: PreTrainedModel, tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    suite = make_suite(
        CHOICE,
        shots={"count": 2, "file": "shots.jsonl"},
        differs_from_training={"shots": "few rows to train on"},
    )
    items = put_shots_before(make_items(tmp_path), SHOTS, count=2, seed=0, where="here")
    scores = scores_of(suite, items, model, tiny, renderer)
    assert scores.result.differences_from_training == ("2 worked examples: few rows to train on",)
    # The examples are computed once for all items.
    assert scores.measurements.computed_tokens < 0.5 * scores.measurements.prompt_tokens
