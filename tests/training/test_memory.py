"""The plan of memory counts what PEFT would make."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.training.factory import make_settings
from transformers import LlamaConfig, LlamaForCausalLM

from civicbench.models.catalogue import load_model_entry
from civicbench.models.settings import Architecture
from civicbench.training.inputs import TrainingInputs
from civicbench.training.memory import adapter_parameters, plan_memory


def peft_parameters(shape: Architecture, *, rank: int) -> int:
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
            LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
    return sum(w.numel() for w in model.parameters() if w.requires_grad)


@pytest.mark.parametrize("name", ["tiny-random", "smollm2-135m-instruct", "llama-3.2-1b-instruct"])
@pytest.mark.parametrize("rank", [4, 16])
def test_adapter_weights_are_counted_as_peft_makes_them(name: str, rank: int) -> None:
    shape = load_model_entry(name).architecture
    assert adapter_parameters(shape, rank=rank) == peft_parameters(shape, rank=rank)


def test_a_quantised_base_needs_about_a_quarter_of_its_half_precision_weights() -> None:
    shape = load_model_entry("llama-3.1-8b-instruct").architecture
    half = plan_memory(
        shape, make_settings(precision="bfloat16"), row_tokens=300, trained_row_tokens=30
    )
    quarter = plan_memory(
        shape,
        make_settings(quantisation="nf4", precision="bfloat16"),
        row_tokens=300,
        trained_row_tokens=30,
    )
    assert half.weights == 2 * shape.parameters
    assert 0.25 < quarter.weights / half.weights < 0.36
    assert quarter.adapter == half.adapter
    assert half.total == half.weights + half.adapter + half.activations + half.logits


def test_checkpointing_activations_spares_memory() -> None:
    shape = load_model_entry("smollm2-135m-instruct").architecture

    def activations(*, spared: bool) -> float:
        settings = make_settings(gradient_checkpointing=spared)
        return plan_memory(shape, settings, row_tokens=300, trained_row_tokens=30).activations

    assert activations(spared=True) < activations(spared=False) / 4


def test_the_record_counts_the_same_weights(inputs: TrainingInputs) -> None:
    shape = inputs.prepared.entry.architecture
    assert adapter_parameters(shape, rank=4) == 8192
