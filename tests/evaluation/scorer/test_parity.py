"""The scorer gives what lm-eval's own HFLM gives, and cuts nothing in silence."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tests.evaluation.factory import language_model
from tests.models.factory import prepare_tiny, sharp_model
from transformers import PreTrainedModel

from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.evaluation.scorer.work import Batching
from civicbench.models.rendering import ChatRenderer, Message

Request = tuple[tuple[str, str], list[int], list[int]]
FIRST, LAST = 4, 259  # the tokens of single bytes


def reference(model: PreTrainedModel, renderer: ChatRenderer, *, batch: int = 3) -> HFLM:
    return HFLM(
        pretrained=model,
        tokenizer=renderer.tokenizer,
        logits_cache=False,
        batch_size=batch,
        softmax_dtype="float32",
    )


def random_ids(draw: random.Random, length: int) -> list[int]:
    return [draw.randint(FIRST, LAST) for _ in range(length)]


def likeliest(model: PreTrainedModel, ids: Sequence[int], length: int) -> list[int]:
    """Return the tokens that greedy decoding would write."""
    written = list(ids)
    for _ in range(length):
        with torch.inference_mode():
            written.append(int(model(input_ids=torch.tensor([written])).logits[0, -1].argmax()))
    return written[len(ids) :]


def questions(
    model: PreTrainedModel,
    *,
    seed: int,
    prompts: Sequence[int],
    choices: Sequence[int],
    shared: int,
) -> list[Request]:
    """Return requests: a question a prompt length, a choice a length, with shared beginnings."""
    draw = random.Random(seed)
    requests: list[Request] = []
    for prompt_length in prompts:
        prompt = random_ids(draw, prompt_length)
        beginning = random_ids(draw, shared)
        continuations = [
            [*beginning[: min(shared, length - 1)], *random_ids(draw, length)][:length]
            for length in choices
        ]
        # The likeliest tokens, the same once more, and a beginning of a longer choice.
        continuations += [likeliest(model, prompt, max(min(choices), 1))] * 2
        continuations.append(continuations[0][: max(1, len(continuations[0]) // 2)])
        for number, continuation in enumerate(continuations):
            requests.append(((f"prompt {len(requests)}", f"{number}"), prompt, continuation))
    draw.shuffle(requests)
    return requests


SHAPES: dict[str, tuple[Sequence[int], Sequence[int], int]] = {
    "choices of unequal length": ([20, 20, 20], [1, 2, 9, 17, 30], 0),
    "single tokens": ([12, 30], [1, 1, 1, 1, 1, 1], 0),
    "shared first tokens": ([25, 8], [9, 12, 12, 5, 20], 6),
    "prompts of unequal length": ([1, 2, 150, 37, 3], [3, 7], 1),
    "more choices than fit one tree": ([40], [25] * 200, 3),
    "a prompt longer than a block of queries": ([700, 900], [2, 5], 1),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_log_likelihoods_are_those_of_hflm(
    shape: str, seed: int, renderer: ChatRenderer, tmp_path: Path
) -> None:
    model = sharp_model(prepare_tiny(tmp_path, seed=seed))
    prompts, choices, shared = SHAPES[shape]
    requests = questions(model, seed=seed, prompts=prompts, choices=choices, shared=shared)
    ours = language_model(model, renderer)._loglikelihood_tokens(requests)
    theirs = reference(model, renderer)._loglikelihood_tokens(requests, disable_tqdm=True)
    for (value, greedy), (expected, expected_greedy) in zip(ours, theirs, strict=True):
        assert value == pytest.approx(expected, abs=1e-4)
        assert greedy == expected_greedy
    assert any(greedy for _, greedy in ours)
    assert not all(greedy for _, greedy in ours)
    # The numbers are far apart, so that one in another's place would be seen.
    assert max(v for v, _ in ours) - min(v for v, _ in ours) > 1


@pytest.mark.parametrize("shared", [5, 300, 900])
def test_log_likelihoods_after_a_beginning_that_all_share_are_those_of_hflm(
    shared: int, model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    draw = random.Random(shared)
    beginning = random_ids(draw, shared)
    requests: list[Request] = []
    for number in range(24):
        # Pairs of prompts share more than the rest does, as two questions on one document do.
        middle = random_ids(random.Random(number // 2), 40)
        prompt = [*beginning, *middle, *random_ids(draw, draw.randint(1, 9))]
        for choice in range(draw.choice([2, 4])):
            answer = random_ids(draw, draw.randint(1, 6))
            requests.append(((f"{number}", f"{choice}"), prompt, answer))
    ours = language_model(model, renderer)
    results = ours._loglikelihood_tokens(requests)
    theirs = reference(model, renderer)._loglikelihood_tokens(requests, disable_tqdm=True)
    for (value, greedy), (expected, expected_greedy) in zip(results, theirs, strict=True):
        assert value == pytest.approx(expected, abs=1e-4)
        assert greedy == expected_greedy
    # What all share is computed once, not once a prompt.
    if shared > 5:
        assert ours.effort.computed_tokens < shared + 24 * 60
    assert ours.effort.prompt_tokens == sum(len(p) + len(a) - 1 for _, p, a in requests)


def test_an_empty_prompt_is_what_hflm_makes_of_it(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    requests = [Instance("loglikelihood", {}, ("", text), 0) for text in ("red", "dark green")]
    ours = language_model(model, renderer).loglikelihood(requests)
    theirs = reference(model, renderer).loglikelihood(requests, disable_tqdm=True)
    for (value, _), (expected, _) in zip(ours, theirs, strict=True):
        assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("batching", [Batching(choice_tokens=1), Batching(order_seed=3)])
def test_batches_of_another_size_or_order_give_the_same(
    batching: Batching, model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    requests = questions(model, seed=2, prompts=[9, 33, 60], choices=[2, 8, 13], shared=1)
    usual = language_model(model, renderer)._loglikelihood_tokens(requests)
    other = language_model(model, renderer, batching=batching)._loglikelihood_tokens(requests)
    for (value, _), (expected, _) in zip(other, usual, strict=True):
        assert value == pytest.approx(expected, abs=1e-4)


def test_a_score_does_not_depend_on_what_is_scored_beside_it(
    scorer: EngineLM, model: PreTrainedModel
) -> None:
    requests = questions(model, seed=5, prompts=[9, 33, 60], choices=[2, 8, 13], shared=1)
    together = scorer._loglikelihood_tokens(requests)
    alone = [scorer._loglikelihood_tokens([request])[0] for request in requests]
    for (value, greedy), (expected, expected_greedy) in zip(together, alone, strict=True):
        assert value == pytest.approx(expected, abs=1e-4)
        assert greedy == expected_greedy


def prompt_of(renderer: ChatRenderer, text: str) -> str:
    return renderer.render_prompt([Message(role="user", content=text)])


def test_prompt_and_answer_are_tokenised_as_in_training(
    scorer: EngineLM, renderer: ChatRenderer
) -> None:
    talk = [Message(role="user", content="Colour?"), Message(role="assistant", content=" red\n")]
    trained = renderer.render_example(talk)
    prompt, answer = scorer._encode_pair(prompt_of(renderer, "Colour?"), " red\n")
    assert tuple(prompt) == trained.prompt_ids
    assert (*answer, renderer.end_of_turn_id) == trained.completion_ids


def test_a_choice_cannot_make_control_tokens_either(
    scorer: EngineLM, renderer: ChatRenderer
) -> None:
    _, answer = scorer._encode_pair(prompt_of(renderer, "a"), "no<|im_end|>\n<|im_start|>user\n")
    assert renderer.end_of_turn_id not in answer
    assert renderer.decode(answer) == "no<|im_end|>\n<|im_start|>user\n"


@pytest.mark.parametrize("answer_tokens", [6, 7])
def test_an_item_longer_than_the_context_is_refused_not_cut(
    answer_tokens: int, model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    prompt = prompt_of(renderer, "a")
    limit = len(renderer.encode(prompt)) + 6
    small = language_model(model, renderer, context=limit)
    request = Instance("loglikelihood", {}, (prompt, "x" * answer_tokens), 0)
    if answer_tokens == 6:
        assert small.loglikelihood([request])
    else:
        with pytest.raises(InvalidInputError, match="longer than the model's context") as caught:
            small.loglikelihood([request])
        assert caught.value.got == f"{limit + 1} tokens, the model reads {limit}"


def test_a_prompt_without_room_for_its_answer_is_refused(
    model: PreTrainedModel, renderer: ChatRenderer
) -> None:
    prompt = prompt_of(renderer, "a")
    small = language_model(model, renderer, context=len(renderer.encode(prompt)) + 5)
    with pytest.raises(InvalidInputError, match="longer than the model's context"):
        small.generate_until([generation(prompt, limit=6)])


def test_an_empty_choice_is_refused(scorer: EngineLM, renderer: ChatRenderer) -> None:
    request = Instance("loglikelihood", {}, (prompt_of(renderer, "a"), ""), 0)
    with pytest.raises(InvalidInputError, match="a choice has no tokens"):
        scorer.loglikelihood([request])


def test_a_model_whose_numbers_are_broken_is_refused_not_scored(
    renderer: ChatRenderer, tmp_path: Path
) -> None:
    broken = sharp_model(prepare_tiny(tmp_path))
    broken.model.norm.weight.data[0] = torch.nan
    request = Instance("loglikelihood", {}, (prompt_of(renderer, "a"), "b"), 0)
    with pytest.raises(WorkFailedError, match="not a finite number"):
        language_model(broken, renderer).loglikelihood([request])


def test_running_text_is_refused(scorer: EngineLM) -> None:
    with pytest.raises(InvalidInputError, match="perplexity"):
        scorer.loglikelihood_rolling([])


def generation(prompt: str, *, limit: int) -> Instance:
    settings = {"until": ["<|im_end|>"], "max_gen_toks": limit, "do_sample": False}
    return Instance("generate_until", {}, (prompt, settings), 0)
