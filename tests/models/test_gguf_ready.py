"""What llama.cpp's converter reads, and what it would leave out or choke on."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.factory import copy_folder, edit_json

from civicbench.core.errors import WorkFailedError
from civicbench.models.gguf_ready import check_gguf_ready
from civicbench.models.prepare import PreparedModel


@pytest.fixture
def folder(tiny: PreparedModel, tmp_path: Path) -> Path:
    return copy_folder(tiny, tmp_path / "model")


def test_a_whole_llama_is_ready(folder: Path) -> None:
    assert check_gguf_ready(folder) == len(load_file(folder / "model.safetensors"))


def spoil(folder: Path, how: str) -> None:
    weights = folder / "model.safetensors"
    if how in {"generation_config.json", "tokenizer_config.json", "tokenizer.json"}:
        (folder / how).unlink()
    elif how == "adapter":
        (folder / "adapter_config.json").write_text("{}")
    elif how == "lora":
        tensors = load_file(weights)
        tensors["model.layers.0.self_attn.q_proj.lora_A.weight"] = torch.zeros(4, 64)
        save_file(tensors, weights, metadata={"format": "pt"})
    elif how == "vocabulary":
        path = folder / "tokenizer.json"
        data = json.loads(path.read_text())
        data["model"]["vocab"]["too high"] = 9_999
        path.write_text(json.dumps(data))
    elif how == "quantised":
        edit_json(folder / "config.json", quantization_config={"bits": 4})
    elif how == "architecture":
        edit_json(folder / "config.json", architectures=["MistralForCausalLM"])
    else:
        weights.unlink()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("generation_config.json", "generation_config.json is missing"),
        ("tokenizer_config.json", "tokenizer_config.json is missing"),
        ("tokenizer.json", "none of tokenizer.json"),
        ("adapter", "an adapter is left"),
        ("lora", "no place for this tensor"),
        ("vocabulary", "token 9999 has no row"),
        ("quantised", "names a quantisation"),
        ("architecture", "architectures"),
        ("weights", "no safetensors weights"),
    ],
)
def test_what_would_not_convert_is_named(folder: Path, how: str, words: str) -> None:
    spoil(folder, how)
    with pytest.raises(WorkFailedError) as refused:
        check_gguf_ready(folder)
    assert words in str(refused.value)
