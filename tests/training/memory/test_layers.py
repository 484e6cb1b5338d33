"""Weights are counted as PEFT makes them."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.training.memory.shapes import FULL, architecture, make_settings
from transformers import LlamaConfig, LlamaForCausalLM

from civicbench.models.settings import Architecture
from civicbench.training.memory.layers import linear_parameters, trained_parameters


def peft_parameters(
    shape: Architecture, *, rank: int, targets: str | list[str], weight_decomposed: bool
) -> int:
    """Return how many weights PEFT trains on a model of that shape, without making them."""
    configuration = LlamaConfig(
        vocab_size=shape.vocabulary_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.attention_heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_size,
        tie_word_embeddings=shape.tied_embeddings,
    )
    with torch.device("meta"):
        model = get_peft_model(
            LlamaForCausalLM(configuration),
            LoraConfig(
                r=rank,
                target_modules=targets,
                task_type="CAUSAL_LM",
                use_dora=weight_decomposed,
                init_lora_weights=not weight_decomposed,
            ),
        )
    return sum(w.numel() for w in model.parameters() if w.requires_grad)


@pytest.mark.parametrize("name", ["tiny-random", "smollm2-135m-instruct", "llama-3.2-1b-instruct"])
@pytest.mark.parametrize("rank", [4, 16])
@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"], ["down_proj"]])
def test_adapter_weights_are_counted_as_peft_makes_them(
    name: str, rank: int, targets: str | list[str]
) -> None:
    shape = architecture(name)
    counted = trained_parameters(shape, make_settings(rank=rank, target_modules=targets))
    made = peft_parameters(shape, rank=rank, targets=targets, weight_decomposed=False)
    assert counted == made


def test_weights_by_hand() -> None:
    # Of each layer's seven matrices, inputs and outputs together: 128 + 2 x 96 + 128 + 3 x 192.
    shape = architecture("tiny-random")
    assert trained_parameters(shape, make_settings(rank=4)) == 2 * 4 * 1024
    # DoRA adds a magnitude for every output: 64 + 2 x 32 + 64 + 2 x 128 + 64.
    decomposed = make_settings(rank=4, weight_decomposed=True)
    assert trained_parameters(shape, decomposed) == 2 * (4 * 1024 + 512)
    assert trained_parameters(shape, make_settings(**FULL)) == shape.parameters == 94_528
    assert linear_parameters(shape) == 2 * (64 * 64 * 2 + 64 * 32 * 2 + 64 * 128 * 3)
