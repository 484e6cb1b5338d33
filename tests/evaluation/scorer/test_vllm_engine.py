"""vLLM as the engine: through lm-eval's own wrapper, on a stand-in that computes on the CPU.

The stand-in has vLLM's arguments and outputs; that vLLM itself agrees is not shown here.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from tests.evaluation.factory import QUIET, make_items, make_subject, make_suite
from tests.evaluation.scorer.adapters import make_adapter
from tests.evaluation.scorer.vllm_site import VERSION, installed
from tests.models.factory import copy_folder, prepare_tiny, sharp_model

from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.evaluation.prompt_proof import system_turns_of
from civicbench.evaluation.scorer.engines import Engine, LocalEngine
from civicbench.evaluation.scorer.host import HostSettings, ModelHost
from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.evaluation.scorer.responses import ResponseStore
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.vllm_engine import PIECE_REQUESTS, VllmEngine
from civicbench.evaluation.scorer.vllm_host import VllmHost, VllmSettings
from civicbench.evaluation.scorer.work import Batching
from civicbench.evaluation.scoring import Scores, score
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message

PROBE = (5, 6, 7, 8, 9)
TEXTS = ["a", "What colour is grass?", "Hello " * 20, "🏴 مرحبا", "Three, four"]
CHOICES = ["red", "dark green", "blue", "blue and green", "🏴"]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with installed(tmp_path_factory.mktemp("site")) as module:
        yield module


@pytest.fixture(scope="module")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    """The tiny model with strong opinions, as files: both engines load it from them."""
    prepared = prepare_tiny(tmp_path_factory.mktemp("home"))
    folder = copy_folder(prepared, tmp_path_factory.mktemp("models") / "sharp")
    sharp_model(prepared).save_pretrained(folder)
    return dataclasses.replace(prepared, folder=folder)


@pytest.fixture(scope="module")
def adapters(sharp: PreparedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {
        "one": make_adapter(sharp, folder / "one", seed=1, rank=2),
        "two": make_adapter(sharp, folder / "two", seed=2, rank=12),
        "untrained": make_adapter(sharp, folder / "untrained", seed=0, rank=2),
    }


@pytest.fixture(scope="module")
def host(
    vllm: Any, sharp: PreparedModel, adapters: dict[str, Path], renderer: ChatRenderer
) -> VllmHost:
    return make_host(sharp, adapters, renderer)


@pytest.fixture(scope="module")
def local(sharp: PreparedModel, adapters: dict[str, Path]) -> ModelHost:
    settings = HostSettings(
        "float32", quantisation=None, spread=False, adapters=adapters, probe=PROBE
    )
    return ModelHost(sharp, settings)


def make_host(
    prepared: PreparedModel, adapters: dict[str, Path], renderer: ChatRenderer
) -> VllmHost:
    settings = VllmSettings("float32", devices=1, adapters=adapters, probe=PROBE)
    return VllmHost(prepared, settings, renderer=renderer)


def model_on(
    engine: Engine, renderer: ChatRenderer, *, context: int = 2048, **changes: Any
) -> EngineLM:
    return EngineLM(
        engine, renderer=renderer, context_length_tokens=context, reporter=QUIET, **changes
    )


def prompt(renderer: ChatRenderer, text: str) -> str:
    return renderer.render_prompt([Message(role="user", content=text)])


def choices(renderer: ChatRenderer) -> list[Instance]:
    return [
        Instance("loglikelihood", {}, (prompt(renderer, text), choice), 0)
        for text in TEXTS
        for choice in CHOICES
    ]


def questions(
    renderer: ChatRenderer, *, limit: int = 12, stops: Sequence[str] = (), **sampling: Any
) -> list[Instance]:
    settings = {
        "until": [renderer.end_of_turn, *stops],
        "max_gen_toks": limit,
        "do_sample": bool(sampling),
        **sampling,
    }
    return [Instance("generate_until", {}, (prompt(renderer, t), settings), 0) for t in TEXTS]


@pytest.mark.parametrize("adapter", [None, "one", "two"])
def test_vllm_scores_and_writes_as_the_own_scorer_does(
    adapter: str | None, host: VllmHost, local: ModelHost, renderer: ChatRenderer
) -> None:
    theirs = model_on(host.select(adapter), renderer)
    ours = model_on(LocalEngine(local.select(adapter), renderer), renderer)
    pairs = zip(
        theirs.loglikelihood(choices(renderer)), ours.loglikelihood(choices(renderer)), strict=True
    )
    for (found, greedy), (expected, expected_greedy) in pairs:
        assert found == pytest.approx(expected, abs=1e-4)
        assert greedy == expected_greedy
    asked = questions(renderer)
    texts = ours.generate_until(asked)
    assert theirs.generate_until(asked) == texts
    assert theirs.finishes == ours.finishes
    assert theirs.prompt_ids == ours.prompt_ids
    assert len(set(texts)) > 1


def test_adapters_are_switched_on_one_load_and_the_base_stays(
    vllm: Any, sharp: PreparedModel, adapters: dict[str, Path], renderer: ChatRenderer
) -> None:
    loads = len(vllm.MADE)
    host = make_host(sharp, adapters, renderer)
    base, one = host.select(None), host.select("one")
    before = model_on(base, renderer).loglikelihood(choices(renderer))
    # The engines are used in turn: each names its own adapter with every call.
    first = model_on(one, renderer).loglikelihood(choices(renderer))
    two = model_on(host.select("two"), renderer).loglikelihood(choices(renderer))
    assert model_on(base, renderer).loglikelihood(choices(renderer)) == before
    assert model_on(one, renderer).loglikelihood(choices(renderer)) == first
    assert before != first != two != before
    (loaded,) = vllm.MADE[loads:]
    assert loaded.arguments["max_lora_rank"] == 16
    assert loaded.arguments["enable_prefix_caching"] is False
    assert loaded.arguments["max_cpu_loras"] == 3


def test_stop_texts_end_turns_and_limits_are_told_apart(
    host: VllmHost, local: ModelHost, renderer: ChatRenderer
) -> None:
    ours = model_on(LocalEngine(local.select(None), renderer), renderer)
    whole = ours.generate_until(questions(renderer, limit=24))
    stops = tuple(text[len(text) // 2 :][:3] for text in whole if len(text) > 6)[:2]
    assert stops
    asked = questions(renderer, limit=24, stops=stops)
    before = ours.effort.prompt_tokens
    engine = host.select(None)
    theirs = model_on(engine, renderer)
    seen = engine._backend.model.seen
    start = len(seen)
    texts = theirs.generate_until(asked)
    assert {tuple(params.stop) for params, _ in seen[start:]} == {stops}
    assert texts == ours.generate_until(asked)
    # As many tokens were written: vLLM itself stopped there.
    assert theirs.effort.prompt_tokens == ours.effort.prompt_tokens - before
    assert not any(stop in text for text in texts for stop in stops)
    assert theirs.finishes.items() <= ours.finishes.items()
    assert {"stop text", "token limit"} <= set(theirs.finishes.values())


def test_an_answer_that_ends_its_turn_is_whole_and_lacks_the_token(
    vllm: Any, host: VllmHost, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = vllm.MADE[-1]
    write = made._log_probabilities
    ids = renderer.encode("yes")

    def says_yes(tokens: list[int], lora: object) -> Any:
        rows = write(tokens, lora)
        written = len(tokens) - len(renderer.encode(prompt(renderer, TEXTS[0])))
        rows[-1, [*ids, renderer.end_of_turn_id][written]] = 0.0
        return rows

    engine = VllmEngine(
        host.select(None)._backend, None, renderer=renderer, context_length_tokens=2048
    )
    monkeypatch.setattr(engine._backend.model, "_log_probabilities", says_yes)
    model = model_on(engine, renderer)
    asked = questions(renderer, limit=len(ids) + 1)[:1]
    assert model.generate_until(asked) == ["yes"]
    assert list(model.finishes.values()) == ["end of turn"]


def test_sampling_settings_reach_vllm_with_a_seed_for_each_prompt(
    host: VllmHost, renderer: ChatRenderer
) -> None:
    engine = host.select(None)
    model = model_on(engine, renderer)
    seen = engine._backend.model.seen
    start = len(seen)
    asked = questions(renderer, temperature=0.7, top_p=0.9, seed=3)
    texts = model.generate_until(asked)
    settings = [params for params, _ in seen[start:]]
    assert {(s.temperature, s.top_p, s.max_tokens) for s in settings} == {(0.7, 0.9, 12)}
    assert len({s.seed for s in settings}) == len(TEXTS)
    assert {tuple(s.stop_token_ids) for s in settings} == {(renderer.end_of_turn_id,)}
    assert all(s.ignore_eos and not s.include_stop_str_in_output for s in settings)
    assert model_on(engine, renderer).generate_until(asked) == texts
    other = questions(renderer, temperature=0.7, top_p=0.9, seed=4)
    assert model_on(engine, renderer).generate_until(other) != texts


def test_an_adapter_that_changes_nothing_is_refused(host: VllmHost) -> None:
    with pytest.raises(WorkFailedError, match="changes nothing"):
        host.select("untrained")


def test_an_adapter_of_another_base_is_refused(
    vllm: Any, adapters: dict[str, Path], renderer: ChatRenderer, tmp_path: Path
) -> None:
    other = prepare_tiny(tmp_path, seed=9)
    with pytest.raises(InvalidInputError, match="trained on another base"):
        make_host(other, adapters, renderer).select(None)


def test_wrong_log_likelihoods_of_prompts_are_noticed(
    vllm: Any, sharp: PreparedModel, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm.LLM, "spoilt_nats", -0.5)
    with pytest.raises(WorkFailedError, match="another log-likelihood in a prompt"):
        make_host(sharp, {}, renderer).select(None)


def test_what_vllm_refuses_is_shown_with_a_way_out(
    vllm: Any, sharp: PreparedModel, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("Free memory on device is less than desired\nlong trace")

    monkeypatch.setattr(vllm.LLM, "__init__", refuse)
    with pytest.raises(WorkFailedError) as caught:
        make_host(sharp, {}, renderer).select(None)
    assert caught.value.got == "Free memory on device is less than desired"
    assert "civicbench" in str(caught.value.remedy)


def test_an_item_that_lm_eval_would_cut_is_refused(
    host: VllmHost, sharp: PreparedModel, renderer: ChatRenderer
) -> None:
    context = sharp.record.context_length_tokens
    prompt_ids = renderer.encode(prompt(renderer, "a"))
    answer = [prompt_ids[-1]] * (context - len(prompt_ids))
    model = model_on(host.select(None), renderer, context=context)
    with pytest.raises(InvalidInputError, match="leaves no room"):
        model._loglikelihood_tokens([(("", ""), prompt_ids, answer)])


def test_a_run_that_was_cut_off_goes_on_in_the_same_pieces(
    host: VllmHost, renderer: ChatRenderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = host.select(None)
    batching = Batching(choice_tokens=2, answer_tokens=2)
    whole = model_on(engine, renderer, batching=batching)
    expected = whole.loglikelihood(choices(renderer))
    store = ResponseStore(tmp_path / "responses.db", model="m")
    asked: list[int] = []
    compute = engine.log_likelihoods

    def counted(requests: Sequence[Any]) -> list[tuple[float, bool]]:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(len(requests))
        return compute(requests)

    monkeypatch.setattr(engine, "log_likelihoods", counted)
    cut = model_on(engine, renderer, batching=batching, responses=store)
    with pytest.raises(KeyboardInterrupt):
        cut.loglikelihood(choices(renderer))
    monkeypatch.setattr(engine, "log_likelihoods", compute)
    again = model_on(engine, renderer, batching=batching, responses=store)
    assert again.loglikelihood(choices(renderer)) == expected
    assert again.effort.found == sum(asked) > 0


def test_pieces_hold_every_request_once_and_vary_only_where_asked_to(host: VllmHost) -> None:
    requests = [Request(tuple(range(1, 4 + n % 7)), (n + 1,)) for n in range(3000)]
    engine = host.select(None)

    def pieces(seed: int | None) -> list[list[int]]:
        batching = Batching(choice_tokens=100, order_seed=seed)
        return engine.choices(requests, batching=batching, missing=range(3000)).pieces

    usual, varied, other = pieces(None), pieces(0), pieces(1)
    assert usual == pieces(None)
    for found in (usual, varied, other):
        assert sorted(n for piece in found for n in piece) == list(range(3000))
    for found, most in ((usual, 6400), (varied, 400), (other, 400)):
        tokens = [sum(len(requests[n].prompt) + 1 for n in piece) for piece in found]
        assert max(tokens) <= most
    assert max(len(piece) for piece in usual) == PIECE_REQUESTS
    assert {tuple(piece) for piece in varied}.isdisjoint(tuple(piece) for piece in other)


def test_a_suite_has_the_same_result_record_from_both(
    host: VllmHost, local: ModelHost, sharp: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    suite, items = make_suite(), make_items(tmp_path)

    def scored(engine: Engine, name: Any) -> Scores:
        turns = system_turns_of([item.messages for item in items])
        subject = make_subject(sharp, engine=name, system_turns=turns)
        return score(
            suite, items, subject, renderer=renderer,
            language_model=lambda: model_on(engine, renderer),
        )  # fmt: skip

    theirs = scored(host.select(None), "vllm")
    ours = scored(LocalEngine(local.select(None), renderer), "civicbench")
    assert theirs.result.engine == "vllm"
    assert theirs.result.packages["vllm"] == VERSION
    assert "vllm" not in ours.result.packages
    same = {"engine": "civicbench", "packages": ours.result.packages}
    assert theirs.result.model_copy(update=same) == ours.result
    for found, expected in zip(theirs.items, ours.items, strict=True):
        assert found.answer == expected.answer
        assert found.log_likelihoods == pytest.approx(expected.log_likelihoods, abs=1e-4)


def test_answers_of_one_engine_are_never_taken_for_the_others(sharp: PreparedModel) -> None:
    ours, theirs = make_subject(sharp), make_subject(sharp, engine="vllm")
    assert ours.answers_digest != theirs.answers_digest
