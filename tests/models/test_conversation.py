"""Talking with a model: pieces come as they are made, and the talk is remembered."""

import threading
from collections.abc import Iterator

import pytest
from tests.models.factory import sharp_model
from transformers import PreTrainedModel

from civicbench.core.errors import InvalidInputError
from civicbench.models.conversation import Conversation, Sampling
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message

GREEDY = Sampling(max_new_tokens=12, temperature=0.0, seed=1)


@pytest.fixture(scope="session")
def model(tiny: PreparedModel) -> PreTrainedModel:
    return sharp_model(tiny)


def begin(
    model: PreTrainedModel,
    renderer: ChatRenderer,
    *,
    sampling: Sampling = GREEDY,
    system: str | None = None,
    limit: int = 2048,
) -> Conversation:
    return Conversation(
        model, renderer=renderer, system=system, sampling=sampling, context_length_tokens=limit
    )


def greedy_text(
    model: PreTrainedModel, renderer: ChatRenderer, messages: list[Message], *, limit: int
) -> str:
    """Return what taking the likeliest token again and again writes."""
    import torch

    ids = renderer.encode(renderer.render_prompt(messages))
    start = len(ids)
    for _ in range(limit):
        with torch.inference_mode():
            token = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        ids.append(token)
        if token == renderer.end_of_turn_id:
            break
    return renderer.decode(ids[start:])


def test_the_streamed_pieces_make_the_greedy_answer(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    pieces = list(begin(model, renderer).answer("What colour is grass?"))
    asked = [Message(role="user", content="What colour is grass?")]
    assert "".join(pieces) == greedy_text(model, renderer, asked, limit=12)


def test_a_later_turn_is_answered_with_the_whole_talk_before_it(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    conversation = begin(model, renderer, system="Be brief.")
    first = "".join(conversation.answer("One"))
    second = "".join(conversation.answer("Two"))
    assert second != "".join(begin(model, renderer, system="Be brief.").answer("Two"))
    talk = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="One"),
        Message(role="assistant", content=first),
        Message(role="user", content="Two"),
    ]
    assert second == greedy_text(model, renderer, talk, limit=12)


def test_sampled_answers_are_the_same_for_a_seed(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    def sampled(seed: int) -> str:
        sampling = Sampling(max_new_tokens=16, temperature=1.0, seed=seed)
        return "".join(begin(model, renderer, sampling=sampling).answer("Hello"))

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


def test_a_talk_longer_than_the_context_is_refused_and_the_talk_stays_usable(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    conversation = begin(model, renderer, limit=60)
    with pytest.raises(InvalidInputError, match="longer than the model can read"):
        list(conversation.answer("x" * 60))
    assert "".join(conversation.answer("x")) == "".join(begin(model, renderer).answer("x"))


@pytest.mark.timeout(60)
def test_a_failure_while_answering_reaches_the_reader_instead_of_waiting_for_ever(
    model: PreTrainedModel, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model, "generate", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(begin(model, renderer).answer("Hello"))


def test_pieces_come_before_the_answer_is_done(
    model: PreTrainedModel, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first piece is read while the model is still held up at its last one."""
    held = threading.Event()

    def generate(*, streamer: object, **_: object) -> None:
        streamer.on_finalized_text("first ")  # type: ignore[attr-defined]
        assert held.wait(30)
        streamer.on_finalized_text("last", stream_end=True)  # type: ignore[attr-defined]

    monkeypatch.setattr(model, "generate", generate)
    pieces: Iterator[str] = begin(model, renderer).answer("Hello")
    assert next(pieces) == "first "
    held.set()
    assert list(pieces) == ["last"]
