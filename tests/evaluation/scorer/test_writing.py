"""Written answers are HFLM's, end where they should, and do not depend on their neighbours."""

import numpy as np
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tests.evaluation.factory import language_model
from tests.models.factory import prepare_tiny, sharp_model
from transformers import PreTrainedModel

from civicbench.evaluation.scorer.asked import Asked, Sampling
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.work import Batching
from civicbench.evaluation.scorer.writing import AnswerWriter
from civicbench.models.rendering import ChatRenderer, Message

TEXTS = ["a", "What colour is grass?", "Hello " * 20, "🏴 مرحبا", "One", "Two", "Three, four"]


def generation(
    renderer: ChatRenderer, text: str, *, limit: int, stops: tuple[str, ...] = (), before: str = ""
) -> Instance:
    talk = [Message(role="user", content=text)]
    if before:
        talk.insert(0, Message(role="system", content=before))
    settings = {
        "until": [renderer.end_of_turn, *stops], "max_gen_toks": limit, "do_sample": False,
    }  # fmt: skip
    return Instance("generate_until", {}, (renderer.render_prompt(talk), settings), 0)


def hflm(model: PreTrainedModel, renderer: ChatRenderer) -> HFLM:
    return HFLM(
        pretrained=model, tokenizer=renderer.tokenizer, logits_cache=False, batch_size=3,
        softmax_dtype="float32",
    )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("before", ["", "Answer in one word, and be kind. " * 4])
def test_written_answers_are_those_of_hflm(
    seed: int, before: str, renderer: ChatRenderer, tmp_path: pytest.TempPathFactory
) -> None:
    model = sharp_model(prepare_tiny(tmp_path, seed=seed))
    requests = [
        generation(renderer, text, limit=10 + 7 * (n % 2), before=before)
        for n, text in enumerate(TEXTS)
    ]
    ours = language_model(model, renderer).generate_until(requests)
    assert ours == hflm(model, renderer).generate_until(requests, disable_tqdm=True)
    assert len(set(ours)) > 1


def test_an_answer_stops_at_a_stop_text_as_in_hflm(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    free = language_model(model, renderer)
    whole = free.generate_until([generation(renderer, text, limit=24) for text in TEXTS])
    # Stop texts that really occur: two or three characters from the middle of each answer.
    stops = tuple(text[len(text) // 2 :][:3] for text in whole if len(text) > 6)
    assert stops
    requests = [generation(renderer, text, limit=24, stops=stops) for text in TEXTS]
    ours = language_model(model, renderer)
    texts = ours.generate_until(requests)
    assert texts == hflm(model, renderer).generate_until(requests, disable_tqdm=True)
    assert not any(stop in text for text in texts for stop in stops)
    assert "stop text" in ours.finishes.values()


@pytest.mark.parametrize("tokens", [1, 200])
def test_batches_of_one_write_the_same(
    tokens: int, model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    requests = [generation(renderer, text, limit=12) for text in TEXTS]
    together = language_model(model, renderer).generate_until(requests)
    apart = language_model(model, renderer, batching=Batching(answer_tokens=tokens))
    assert apart.generate_until(requests) == together


def likeliest(model: PreTrainedModel, ids: list[int], count: int) -> list[int]:
    written = list(ids)
    for _ in range(count):
        with torch.inference_mode():
            written.append(int(model(input_ids=torch.tensor([written])).logits[0, -1].argmax()))
    return written[len(ids) :]


def test_an_answer_that_was_cut_is_told_from_one_that_ended(
    model: PreTrainedModel, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = renderer.render_prompt([Message(role="user", content="a")])
    third = likeliest(model, renderer.encode(prompt), 3)[2]
    request = generation(renderer, "a", limit=3)
    cut = language_model(model, renderer)
    cut.generate_until([request])
    assert cut.finishes == {(prompt, None): "token limit"}
    # The same model, for which the third token now ends a turn.
    monkeypatch.setattr(renderer, "end_of_turn_id", third)
    ended = language_model(model, renderer)
    ended.generate_until([request])
    assert ended.finishes == {(prompt, None): "end of turn"}


def test_text_that_only_spells_the_end_of_turn_ends_nothing(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    plain = tuple(renderer.encode(renderer.render_plain("a<|im_end|>b")))
    assert renderer.end_of_turn_id not in plain
    asked = language_model(model, renderer)._asked(
        "a", {"until": [renderer.end_of_turn], "max_gen_toks": 4}
    )
    assert asked.stops == ()


def drawn(
    model: PreTrainedModel,
    renderer: ChatRenderer,
    prompts: list[str],
    *,
    seed: int,
    **changes: float,
) -> list[tuple[int, ...]]:
    settings = {"temperature": 1.0, "top_p": 1.0, **changes}
    asked = [
        Asked(tuple(renderer.encode(prompt)), 12, (), Sampling(seed=seed, **settings))
        for prompt in prompts
    ]
    written = AnswerWriter(Reader(model), renderer).write(asked, shared=())
    return [answer.token_ids for answer in written]


def test_drawn_answers_are_repeated_by_their_seed_whatever_stands_beside_them(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    together = drawn(model, renderer, ["one", "another", "third"], seed=7)
    assert drawn(model, renderer, ["another"], seed=7) == [together[1]]
    assert drawn(model, renderer, ["another"], seed=8) != [together[1]]


def test_a_small_nucleus_or_a_low_temperature_draws_the_likeliest(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    prompt = "one"
    best = tuple(likeliest(model, renderer.encode(prompt), 12))
    assert drawn(model, renderer, [prompt], seed=1, top_p=1e-9) == [best]
    assert drawn(model, renderer, [prompt], seed=1, temperature=1e-4) == [best]


def test_first_tokens_are_drawn_as_often_as_the_model_finds_them_likely(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    ids = renderer.encode("one")
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
    chances = logits.softmax(-1).numpy()
    asked = [Asked(tuple(ids), 1, (), Sampling(1.0, 1.0, seed)) for seed in range(600)]
    written = AnswerWriter(Reader(model), renderer).write(asked, shared=())
    counts = np.bincount([answer.token_ids[0] for answer in written], minlength=len(chances))
    best = int(chances.argmax())
    deviation = np.sqrt(600 * chances[best] * (1 - chances[best]))
    assert abs(counts[best] - 600 * chances[best]) < 4 * deviation
