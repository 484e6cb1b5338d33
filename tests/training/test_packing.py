"""Packed rows: every row's numbers and gradients are those that it has alone."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.factory import make_examples, make_settings

from civicbench.models.loading import load_base, torch_precision
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, RenderedExample
from civicbench.training import row_attention
from civicbench.training.examples import Example
from civicbench.training.objectives import answer_logits
from civicbench.training.ordering import rounded_tokens
from civicbench.training.packing import PACKED_ATTENTION, Segments, pack_rows

IDS = st.lists(st.integers(0, 50), min_size=1, max_size=12).map(tuple)


def example(prompt: tuple[int, ...], completion: tuple[int, ...]) -> Example:
    return Example("row", RenderedExample(prompt, completion))


@given(
    beginning=st.lists(st.integers(0, 50), max_size=8).map(tuple),
    rows=st.lists(st.tuples(IDS, IDS), min_size=1, max_size=5),
    share=st.booleans(),
)
def test_a_packed_sequence_holds_each_row_and_what_it_trains_on(
    beginning: tuple[int, ...], rows: list[tuple[tuple[int, ...], tuple[int, ...]]], share: bool
) -> None:
    examples = [example(beginning + prompt, completion) for prompt, completion in rows]
    packed = pack_rows(examples, share_beginning=share)
    ids = packed.input_ids[0].tolist()
    positions = packed.position_ids[0].tolist()
    shared = packed.segments.shared
    if share and len(rows) > 1:
        assert shared >= len(beginning) - (0 if all(p for p, _ in rows) else 1)
    for start, end, row in zip(packed.segments.starts, packed.segments.ends, examples, strict=True):
        assert ids[:shared] + ids[start:end] == row.input_ids
        assert positions[:shared] + positions[start:end] == list(range(row.length))
    targets = [token for row in examples for token in row.rendered.completion_ids]
    assert packed.targets.tolist() == targets
    # Wherever the successor stands in the row itself, it is the target.
    for place, target in zip(packed.predicting.tolist(), targets, strict=True):
        assert ids[place + 1] == target


@pytest.fixture(scope="module")
def model(tiny: PreparedModel) -> Any:
    return load_base(tiny, precision="float32")


def gradients_alone(model: Any, examples: list[Example]) -> tuple[list[torch.Tensor], Any]:
    model.set_attn_implementation("sdpa")
    model.zero_grad()
    logits = []
    for row in examples:
        found = model(input_ids=torch.tensor([row.input_ids])).logits[0].float()
        places = slice(len(row.rendered.prompt_ids) - 1, row.length - 1)
        logits.append(found[places])
        loss = torch.nn.functional.cross_entropy(
            found[places], torch.tensor(row.rendered.completion_ids), reduction="sum"
        )
        loss.backward()
    return logits, {n: w.grad.clone() for n, w in model.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("same_prompt", [False, True])
def test_logits_and_gradients_are_those_of_each_row_alone(
    share: bool, same_prompt: bool, model: Any, renderer: ChatRenderer
) -> None:
    examples = make_examples(renderer, rows=5)
    if same_prompt:
        prompt = examples[0].rendered.prompt_ids
        examples = [example(prompt, row.rendered.completion_ids) for row in examples]
    alone, expected = gradients_alone(model, examples)
    model.set_attn_implementation(PACKED_ATTENTION)
    model.zero_grad()
    packed = pack_rows(examples, share_beginning=share)
    assert (packed.segments.shared > 3) == share
    logits = answer_logits(model, packed)
    assert torch.allclose(logits, torch.cat(alone), atol=1e-5)
    torch.nn.functional.cross_entropy(logits, packed.targets, reduction="sum").backward()
    for name, weight in model.named_parameters():
        assert torch.allclose(weight.grad, expected[name], rtol=1e-4, atol=1e-5), name


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_row_does_not_see_the_rows_beside_it(data: st.DataObject, model: Any) -> None:
    model.set_attn_implementation(PACKED_ATTENTION)
    row = example(data.draw(IDS), data.draw(IDS))
    one = example(row.rendered.prompt_ids, data.draw(IDS))
    other = example(row.rendered.prompt_ids, data.draw(IDS))

    def first(beside: Example) -> torch.Tensor:
        packed = pack_rows([row, beside], share_beginning=True)
        return answer_logits(model, packed)[: len(row.rendered.completion_ids)]

    with torch.inference_mode():
        assert torch.allclose(first(one), first(other), atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_layer_and_adapter_in_one_product_are_pefts_two(
    precision: Any, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss and every gradient, in float32 to rounding and in bfloat16 to its own precision."""
    from tests.training.test_loop import build

    from civicbench.training import loop as loop_module

    settings = make_settings(precision=precision, batch_size_rows=7)
    joined = build(settings, inputs)
    taken = joined.take_step(0, stop_asked=False)
    with monkeypatch.context() as patch:
        patch.setattr(loop_module, "join_adapter_products", lambda _: 0)
        apart = build(settings, inputs)
    assert "forward" in vars(next(m for m in joined.model.modules() if "lora_A" in m._modules))
    expected = apart.take_step(0, stop_asked=False)
    tolerance = 1e-5 if precision == "float32" else 2e-2
    assert taken.loss == pytest.approx(expected.loss, rel=tolerance)
    for name, weight in joined.weights.items():
        theirs = apart.weights[name].grad
        assert weight.grad is not None
        assert theirs is not None
        scale = float(theirs.detach().abs().max())
        assert float((weight.grad - theirs).abs().max()) <= tolerance * scale + 1e-9, name


def test_long_rows_are_read_in_blocks_to_the_same_numbers(
    model: Any, renderer: ChatRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.set_attn_implementation(PACKED_ATTENTION)
    examples = make_examples(renderer, rows=4)
    with torch.inference_mode():
        whole = answer_logits(model, pack_rows(examples, share_beginning=True))
        monkeypatch.setattr(row_attention, "BLOCK_QUERIES", 7)
        blocks = answer_logits(model, pack_rows(examples, share_beginning=True))
    assert torch.allclose(whole, blocks, atol=1e-5)


@pytest.mark.parametrize("shared", [0, 5])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_a_processors_attention_is_pytorchs_with_its_gradients(
    shared: int, precision: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_attention, "BLOCK_QUERIES", 4)
    draw = torch.Generator().manual_seed(1)
    segments = Segments(shared, (shared + 3, shared + 12, shared + 13))
    kind = torch_precision(precision)

    def heads(count: int) -> torch.Tensor:
        numbers = torch.randn((1, segments.ends[-1], count, 8), generator=draw)
        return numbers.to(kind).transpose(1, 2).requires_grad_()

    layer = heads(6), heads(2), heads(2)
    weight = torch.randn((1, segments.ends[-1], 6, 8), generator=draw)
    found = []
    for attend in (segments.attend, segments.attend_row_by_row):
        read = attend(*layer, scale=0.3)
        (read.float() * weight).sum().backward()
        found.append([read.float(), *(part.grad.float() for part in layer)])
        for part in layer:
            part.grad = None
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, atol=tolerance * float(theirs.detach().abs().max()))


@pytest.mark.parametrize("share", [False, True])
def test_padding_after_the_rows_changes_nothing(
    share: bool, model: Any, renderer: ChatRenderer
) -> None:
    model.set_attn_implementation(PACKED_ATTENTION)
    packed = pack_rows(make_examples(renderer, rows=3), share_beginning=share)
    filled = packed.filled_up(packed.input_ids.shape[1] + 11)
    assert filled.input_ids.shape[1] == packed.input_ids.shape[1] + 11
    with torch.inference_mode():
        expected, found = answer_logits(model, packed), answer_logits(model, filled)
    assert torch.allclose(expected, found, atol=1e-5)
    assert filled.targets.equal(packed.targets)


@given(st.integers(1, 100_000))
def test_a_pass_is_filled_up_by_a_thirty_second_at_most(tokens: int) -> None:
    filled = rounded_tokens(tokens)
    assert tokens <= filled < tokens + max(1, tokens / 32)


def test_few_lengths_are_left_of_many() -> None:
    assert len({rounded_tokens(tokens) for tokens in range(700, 1050)}) <= 22
