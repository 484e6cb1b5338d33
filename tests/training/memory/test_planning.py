"""Plans of memory: properties, figures by hand, and figures that others published."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.memory.shapes import BFLOAT16, FULL, PASS, SMOL, architecture, make_settings

from civicbench.training.memory.passes import PassShape
from civicbench.training.memory.planning import MemoryPlan, base_bytes, plan_memory

_METHODS: tuple[dict[str, Any], ...] = (
    {}, BFLOAT16, {**BFLOAT16, "quantisation": "nf4"}, {**BFLOAT16, "quantisation": "int8"},
    {"weight_decomposed": True}, {"dropout": 0.1}, {"gradient_checkpointing": True}, FULL,
    {**FULL, **BFLOAT16},
)  # fmt: skip


def total(size: PassShape = PASS, *, on_gpu: bool = False, **changes: Any) -> float:
    settings = make_settings(**changes)
    return plan_memory(SMOL, settings, passes=[size], on_gpu=on_gpu).total


@pytest.mark.parametrize("changes", _METHODS, ids=str)
@given(tokens=st.integers(100, 20_000), trained=st.integers(1, 100), more=st.integers(1, 5_000))
def test_more_tokens_never_need_less(
    changes: dict[str, Any], tokens: int, trained: int, more: int
) -> None:
    size = PassShape(tokens, trained)
    assert total(replace(size, tokens=tokens + more), **changes) >= total(size, **changes)
    assert total(replace(size, trained_tokens=trained + more), **changes) >= total(size, **changes)


@given(rank=st.integers(1, 256), more=st.integers(1, 256))
def test_a_larger_rank_needs_more(rank: int, more: int) -> None:
    assert total(rank=rank + more) > total(rank=rank)


def test_methods_stand_in_the_order_that_their_papers_promise() -> None:
    full, lora = total(**FULL), total()
    half = total(**BFLOAT16)
    few_bits = total(**BFLOAT16, quantisation="nf4", gradient_checkpointing=True)
    assert full > lora > half
    assert few_bits < total(**BFLOAT16, gradient_checkpointing=True) < half
    assert total(weight_decomposed=True) > lora
    assert total(target_modules=("q_proj", "v_proj")) < lora
    assert total(rank_stabilised=True, b_learning_rate_ratio=16.0) == lora


@pytest.mark.parametrize("changes", _METHODS, ids=str)
def test_the_parts_are_the_whole(changes: dict[str, Any]) -> None:
    plan = plan_memory(SMOL, make_settings(**changes), passes=[PASS])
    assert plan.total == sum(plan.by_part().values())
    assert all(value >= 0 for value in plan.by_part().values())


def test_state_of_full_training_by_hand() -> None:
    # SmolLM2-135M: 134,515,008 weights, each with 4 bytes, as many of gradient, and two moments.
    settings = make_settings(**FULL, gradient_accumulation_steps=2)
    plan = plan_memory(SMOL, settings, passes=[PASS])
    assert SMOL.parameters == 134_515_008
    assert plan.weights == plan.gradients == 4 * 134_515_008
    assert plan.optimiser == 8 * 134_515_008
    assert plan.adapter == 0


def test_bytes_of_a_base_by_hand() -> None:
    # Llama 3.1 8B: 6,979,321,856 weights in matrices, 1,050,939,392 beside them.
    shape = architecture("llama-3.1-8b-instruct")
    assert base_bytes(shape, make_settings(**BFLOAT16)) == 2 * 8_030_261_248
    few = base_bytes(shape, make_settings(**BFLOAT16, quantisation="nf4"))
    assert few == pytest.approx(6_979_321_856 * 4.127 / 8 + 2 * 1_050_939_392)
    eight = base_bytes(shape, make_settings(**BFLOAT16, quantisation="int8"))
    assert eight == pytest.approx(6_979_321_856 + 2 * 1_050_939_392)


def sharded(sharding: Any, *, devices: int, **changes: Any) -> MemoryPlan:
    return plan_memory(
        architecture("llama-3.1-8b-instruct"),
        make_settings(**changes),
        passes=[PASS],
        on_gpu=True,
        sharding=sharding,
        devices=devices,
    )


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_sharding_divides_what_zero_says_it_divides(devices: int) -> None:
    changes = {**FULL, **BFLOAT16, "gradient_accumulation_steps": 2}
    copy = sharded("ddp", devices=devices, **changes)
    alone = sharded("none", devices=1, **changes)
    assert copy.by_part() == alone.by_part()
    for sharding, divided in (
        ("zero1", {"optimiser"}),
        ("zero2", {"optimiser", "gradients"}),
        ("zero3", {"optimiser", "gradients", "weights"}),
    ):
        plan = sharded(sharding, devices=devices, **changes)
        for part in ("weights", "gradients", "optimiser"):
            expected = getattr(copy, part) / (devices if part in divided else 1)
            assert getattr(plan, part) == expected, (sharding, part)
    totals = [sharded(s, devices=devices, **changes).total for s in ("ddp", "zero1", "zero2")]
    assert totals == sorted(totals, reverse=True)


def test_layers_in_turn_divide_weights_and_activations_but_not_logits() -> None:
    one, four = sharded("none", devices=1), sharded("layers", devices=4)
    assert four.weights == one.weights / 4
    assert four.logits == one.logits


def test_a_step_of_several_passes_holds_gradients_while_it_computes() -> None:
    one = plan_memory(SMOL, make_settings(), passes=[PASS])
    two = plan_memory(SMOL, make_settings(gradient_accumulation_steps=2), passes=[PASS])
    assert one.gradients == 0
    assert two.gradients == one.adapter


# Peak memory of one GPU, as published. LitGPT: config_hub/finetune/README.md and the configuration
# beside it (https://github.com/Lightning-AI/litgpt, commits 03ffc55 and 8140a07): one row of at
# most 512 tokens, all of them trained on. torchtune: README.md and recipes/configs/llama3_1
# (https://github.com/pytorch/torchtune, commit 0031bfb, autumn 2024): two rows of 2,048 tokens,
# activation checkpointing as its configurations have it, logits in 8 pieces. Looked up 2026-11-24.
@pytest.mark.parametrize(
    ("published_bytes", "changes", "size"),
    [
        (
            19.73e9,
            {"rank": 32, "target_modules": ("q_proj", "v_proj"), "dropout": 0.05},
            PassShape(512, 512),
        ),
        (16.2 * 2**30, {"rank": 8, "gradient_checkpointing": True}, PassShape(4096, 512)),
        (
            7.4 * 2**30,
            {"rank": 8, "quantisation": "nf4", "gradient_checkpointing": True},
            PassShape(4096, 512),
        ),
    ],
    ids=["LitGPT LoRA", "torchtune LoRA", "torchtune QLoRA"],
)
def test_llama_3_1_8b_is_planned_as_others_measured_it(
    published_bytes: float, changes: dict[str, Any], size: PassShape
) -> None:
    shape = architecture("llama-3.1-8b-instruct")
    settings = make_settings(**BFLOAT16, **changes)
    plan = plan_memory(shape, settings, passes=[size], on_gpu=True)
    context = 0.7e9  # what the CUDA context takes is not in figures of PyTorch's allocator
    assert (plan.total - context) / published_bytes == pytest.approx(1.0, abs=0.15)
