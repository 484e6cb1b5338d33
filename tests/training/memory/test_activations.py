"""What a pass is planned to keep is what autograd keeps."""

from typing import Any

import pytest
from tests.training.factory import make_examples
from tests.training.memory.saved import saved_tensors
from tests.training.memory.shapes import BFLOAT16, FULL, architecture, make_settings

from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training import row_attention
from civicbench.training.memory.activations import pass_memory
from civicbench.training.memory.passes import BLOCK_QUERIES, PassShape, largest_passes

_SPARED = {"gradient_checkpointing": True}


def test_a_layer_keeps_what_was_counted_by_hand() -> None:
    # Norms 2 x (64 + 1), query and answer 2 x 64, key and value 2 x 32, a normaliser for each of 4
    # heads, the gate's three tensors 3 x 128, what matrices read 3 x 64 + 128, and 4 for each of 7
    # adapters: all in float32.
    numbers = 130 + 128 + 64 + 4 + 384 + 320 + 28
    needs = pass_memory(
        architecture("tiny-random"), make_settings(rank=4), PassShape(10, 3), on_gpu=False
    )
    assert needs.kept == 10 * 4 * numbers
    assert needs.between == 10 * 64 * 4
    assert needs.logits == 3 * 3 * 320 * 4


@pytest.mark.parametrize(
    "changes",
    [
        {}, BFLOAT16, {**BFLOAT16, "target_modules": ["q_proj", "v_proj"]}, {"rank": 32},
        {"weight_decomposed": True}, {**BFLOAT16, "weight_decomposed": True},
        {**BFLOAT16, "quantisation": "nf4"}, {"dropout": 0.1}, FULL, {**FULL, **BFLOAT16},
    ],
    ids=str,
)  # fmt: skip
def test_a_pass_is_planned_to_keep_what_autograd_keeps(
    changes: dict[str, Any], tiny: PreparedModel, renderer: ChatRenderer
) -> None:
    if changes.get("quantisation"):
        pytest.importorskip("bitsandbytes")
    rows = make_examples(renderer, rows=6)
    settings = make_settings(batch_size_rows=6, **changes)
    (size,) = set(largest_passes(settings, rows))
    needs = pass_memory(tiny.entry.architecture, settings, size, on_gpu=False)
    layers = tiny.entry.architecture.layers
    planned = layers * (needs.kept + needs.layer_copies) + needs.end + needs.logits / 3
    kept = sum(tensor.bytes for tensor in saved_tensors(settings, tiny, rows))
    # The first layer of two keeps less than others: what it reads has no gradient.
    assert kept * 0.95 < planned < kept * 1.12


def test_a_checkpointed_pass_keeps_what_passes_between_layers(
    tiny: PreparedModel, renderer: ChatRenderer
) -> None:
    rows = make_examples(renderer, rows=6)
    spared = make_settings(batch_size_rows=6, **_SPARED)
    whole = make_settings(batch_size_rows=6)
    (size,) = set(largest_passes(spared, rows))
    needs = pass_memory(tiny.entry.architecture, spared, size, on_gpu=False)
    kept = {tensor.shape: tensor for tensor in saved_tensors(spared, tiny, rows)}
    between = kept[(1, size.tokens, tiny.entry.architecture.hidden_size)]
    assert between.bytes == needs.between
    total = sum(tensor.bytes for tensor in kept.values())
    assert total < sum(tensor.bytes for tensor in saved_tensors(whole, tiny, rows)) / 3


def test_masks_are_counted_by_the_blocks_that_packing_makes() -> None:
    assert row_attention.BLOCK_QUERIES == BLOCK_QUERIES
