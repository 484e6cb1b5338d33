"""Rows are checked before the first step; only answers are trained on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.factory import conversation

from civicbench.core.errors import InvalidInputError
from civicbench.models.rendering import ChatRenderer, Message
from civicbench.training.examples import IGNORED_LABEL, Example, render_examples


def render(
    renderer: ChatRenderer,
    rows: list[tuple[str, list[Message]]],
    *,
    max_length: int = 512,
    context: int = 2048,
) -> list[Example]:
    return render_examples(
        rows, renderer=renderer, max_length_tokens=max_length, context_length_tokens=context
    )


def test_rows_that_are_too_long_are_named_longest_first_with_their_lengths(
    renderer: ChatRenderer,
) -> None:
    rows = [
        ("short", conversation("a", "b")),
        ("long", conversation("a" * 100, "b")),
        ("longest", conversation("a" * 200, "b")),
    ]
    lengths = {e.name: e.length for e in render(renderer, rows)}
    with pytest.raises(InvalidInputError, match="2 rows are longer than 60 tokens") as caught:
        render(renderer, rows, max_length=60)
    assert caught.value.got == (
        f"longest ({lengths['longest']} tokens), long ({lengths['long']} tokens)"
    )
    assert "max_length_tokens" in str(caught.value.remedy)


def test_a_row_of_just_the_limit_is_taken(renderer: ChatRenderer) -> None:
    (row,) = render(renderer, [("row", conversation("a", "b"))])
    assert render(renderer, [("row", conversation("a", "b"))], max_length=row.length)
    with pytest.raises(InvalidInputError):
        render(renderer, [("row", conversation("a", "b"))], max_length=row.length - 1)


def test_rows_with_an_empty_answer_are_named(renderer: ChatRenderer) -> None:
    rows = [("full", conversation("a", "b")), ("empty", conversation("a", ""))]
    with pytest.raises(InvalidInputError, match="1 rows have an empty answer") as caught:
        render(renderer, rows)
    assert caught.value.got == "empty"


def test_no_rows_at_all_are_refused(renderer: ChatRenderer) -> None:
    with pytest.raises(InvalidInputError, match="no rows to train on"):
        render(renderer, [])


def test_a_limit_beyond_the_models_context_is_refused(renderer: ChatRenderer) -> None:
    with pytest.raises(InvalidInputError, match="longer than the model's context") as caught:
        render(renderer, [("row", conversation("a", "b"))], max_length=513, context=512)
    assert caught.value.where == "training.max_length_tokens"


@settings(max_examples=40, deadline=None)
@given(question=st.text(max_size=20), answer=st.text(min_size=1, max_size=20))
def test_labels_mask_the_prompt_and_nothing_else(
    renderer: ChatRenderer, question: str, answer: str
) -> None:
    (row,) = render(renderer, [("row", conversation(question, answer))])
    prompt = renderer.encode(renderer.render_prompt([Message(role="user", content=question)]))
    assert row.labels[: len(prompt)] == [IGNORED_LABEL] * len(prompt)
    assert row.labels[len(prompt) :] == row.input_ids[len(prompt) :]
    assert renderer.decode(row.labels[len(prompt) :]) == answer
    assert row.labels[-1] == renderer.end_of_turn_id
    assert len(row.input_ids) == len(row.labels) == row.length
