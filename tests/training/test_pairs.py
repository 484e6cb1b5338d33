"""Preferences as token ids: one prompt, two answers, every mistake named at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.factory import conversation, make_examples

from civicbench.core.errors import InvalidInputError
from civicbench.models.rendering import ChatRenderer, Message, RenderedExample
from civicbench.training.examples import (
    Example,
    PreferencePair,
    render_examples,
    render_pairs,
    rows_of_kind,
)

Rows = list[tuple[str, list[Message], str]]


def render(renderer: ChatRenderer, rows: Rows, *, max_length: int = 512) -> list[PreferencePair]:
    return render_pairs(
        rows, renderer=renderer, max_length_tokens=max_length, context_length_tokens=2048
    )


def test_both_answers_follow_one_prompt_as_plain_training_renders_them(
    renderer: ChatRenderer,
) -> None:
    (pair,) = render(renderer, [("row", conversation("Which?", "This one"), "That")])
    plain = render_examples(
        [("a", conversation("Which?", "This one")), ("b", conversation("Which?", "That"))],
        renderer=renderer,
        max_length_tokens=512,
        context_length_tokens=2048,
    )
    assert [pair.chosen, pair.rejected] == [example.rendered for example in plain]
    assert pair.prompt_ids == pair.chosen.prompt_ids == pair.rejected.prompt_ids
    assert pair.length == sum(example.length for example in plain)
    assert pair.longest == max(example.length for example in plain)


@settings(max_examples=30)
@given(question=st.text(max_size=20), answers=st.lists(st.text(min_size=1, max_size=20),
       min_size=2, max_size=2, unique_by=lambda text: text.strip()))  # fmt: skip
def test_prompts_are_always_the_same(
    renderer: ChatRenderer, question: str, answers: list[str]
) -> None:
    chosen, rejected = answers
    try:
        (pair,) = render(renderer, [("row", conversation(question, chosen), rejected)])
    except InvalidInputError:
        return
    assert pair.chosen.prompt_ids == pair.rejected.prompt_ids
    assert pair.chosen.completion_ids != pair.rejected.completion_ids
    assert pair.rejected.completion_ids[-1] == renderer.end_of_turn_id


def test_every_row_that_cannot_be_used_is_told_at_once(renderer: ChatRenderer) -> None:
    rows: Rows = [
        ("good", conversation("a", "b"), "c"),
        ("no-chosen", conversation("a", ""), "c"),
        ("no-rejected", conversation("a", "b"), ""),
        ("same", conversation("a", "b"), "b"),
        ("long", conversation("a", "b"), "c" * 300),
        ("longer", conversation("a", "b" * 350), "c"),
    ]
    with pytest.raises(InvalidInputError) as caught:
        render(renderer, rows, max_length=100)
    lines = str(caught.value).splitlines()
    assert any("1 rows have an empty chosen answer: no-chosen" in line for line in lines)
    assert any("1 rows have an empty rejected answer: no-rejected" in line for line in lines)
    assert any("same tokens" in line and line.endswith(": same") for line in lines)
    (long,) = [line for line in lines if "longer than 100 tokens" in line]
    assert "2 rows" in long
    assert long.index("longer (") < long.index("long (")
    assert "good" not in str(caught.value)


def test_the_longer_conversation_counts_against_the_limit(renderer: ChatRenderer) -> None:
    rows: Rows = [("row", conversation("a", "b"), "a longer one")]
    (pair,) = render(renderer, rows)
    assert render(renderer, rows, max_length=pair.longest)
    with pytest.raises(InvalidInputError):
        render(renderer, rows, max_length=pair.longest - 1)


def test_no_pairs_and_a_limit_beyond_the_context_are_refused(renderer: ChatRenderer) -> None:
    with pytest.raises(InvalidInputError, match="no rows to train on"):
        render(renderer, [])
    with pytest.raises(InvalidInputError, match="longer than the model's context"):
        render(renderer, [("row", conversation("a", "b"), "c")], max_length=4096)


def test_two_prompts_are_no_pair() -> None:
    with pytest.raises(InvalidInputError, match="not the same tokens") as caught:
        PreferencePair("row-7", RenderedExample((1, 2), (3,)), RenderedExample((1, 9), (4,)))
    assert caught.value.where == "row row-7"


def test_an_objective_gets_the_kind_of_row_that_it_takes(renderer: ChatRenderer) -> None:
    examples = make_examples(renderer, rows=2)
    assert rows_of_kind(examples, Example) == examples
    with pytest.raises(TypeError, match="2 rows are not PreferencePair"):
        rows_of_kind(examples, PreferencePair)
