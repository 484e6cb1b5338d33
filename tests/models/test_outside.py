"""Models from outside: what fits its base is taken, everything else refused with every reason."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tests.models.factory import copy_folder, edit_json

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.models.loading import load_base
from civicbench.models.outside.adapters import check_adapter, plain_configuration
from civicbench.models.outside.files import check_finite, list_outside
from civicbench.models.outside.whole import check_vocabulary, check_whole, other_template
from civicbench.models.prepare import PreparedModel

WEIGHTS, CONFIGURATION = "adapter_model.safetensors", "adapter_config.json"


def save_adapter(tiny: PreparedModel, folder: Path, **settings: Any) -> Path:
    """An adapter as PEFT itself saves it."""
    wanted = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **settings}
    model = get_peft_model(load_base(tiny, precision="float32"), LoraConfig(**wanted))
    model.peft_config["default"].base_model_name_or_path = "somebody/Tiny-Random"
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def adapter(tiny: PreparedModel, tmp_path: Path) -> Path:
    return save_adapter(tiny, tmp_path / "adapter")


@pytest.fixture
def whole(tiny: PreparedModel, tmp_path: Path) -> Path:
    return copy_folder(tiny, tmp_path / "whole")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_dora": True},
        {"use_rslora": True},
        {"target_modules": "all-linear"},
        {"init_lora_weights": "gaussian"},
    ],
)
def test_what_peft_saves_is_taken(
    tiny: PreparedModel, tmp_path: Path, settings: dict[str, Any]
) -> None:
    folder = save_adapter(tiny, tmp_path / "adapter", **settings)
    files = list_outside(folder)
    assert files.left == ("README.md",)
    plain = plain_configuration(check_adapter(files, tiny), files)
    check_finite(files)
    # Every layer by its full name: no pattern from outside is matched later.
    assert all(module.startswith("model.layers.") for module in plain["target_modules"])
    again = LoraConfig(**plain)
    assert (again.r, again.use_dora) == (4, bool(settings.get("use_dora")))


def bad(path: Path, kind: str) -> None:
    """Put something into a folder that has no place there."""
    extra = path / kind.split(":")[-1]
    extra.parent.mkdir(parents=True, exist_ok=True)
    extra.unlink(missing_ok=True)
    if kind.startswith("link:"):
        extra.symlink_to("/etc/passwd")
    elif kind.startswith("pipe:"):
        os.mkfifo(extra)
    else:
        extra.write_bytes(b"x")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pytorch_model.bin", "a pickle"),
        ("training_args.bin", "a pickle"),
        ("adapter_model.BIN", "a pickle"),
        ("optimizer.pt", "a pickle"),
        ("modeling_llama.py", "code"),
        ("run.sh", "code"),
        ("custom.so", "code"),
        ("link:tokenizer.json", "a link"),
        ("link:README.md", "a link"),
        ("pipe:config.json", "no plain file"),
        ("below/adapter_model.safetensors", "no file that a model is made of"),
        ("odd\nname.json", "an odd name"),
        ("-rf.json", "an odd name"),
        ("back\\slash.json", "an odd name"),
        ("model.gguf", "no file that a model is made of"),
    ],
)
def test_what_is_not_plain_weights_is_refused_before_anything_is_opened(
    adapter: Path, kind: str, reason: str
) -> None:
    bad(adapter, kind)
    with pytest.raises(InvalidInputError) as refused:
        list_outside(adapter)
    assert reason in str(refused.value)


def test_every_reason_is_named_at_once(adapter: Path) -> None:
    for kind in ("training_args.bin", "modeling.py", "link:vocab.json"):
        bad(adapter, kind)
    with pytest.raises(InvalidInputError, match="3 mistakes"):
        list_outside(adapter)


def test_a_link_to_a_folder_and_a_file_are_no_folders(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(adapter)
    for path in (tmp_path / "link", adapter / WEIGHTS, tmp_path / "absent"):
        with pytest.raises(PartAbsentError):
            list_outside(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"base_model_name_or_path": "meta-llama/Llama-3.2-1B"}, "trained on 'meta-llama/Llama"),
        ({"base_model_name_or_path": "/home/me/checkpoint-900"}, "checkpoint-900"),
        ({"peft_type": "PREFIX_TUNING"}, "peft_type"),
        ({"task_type": "SEQ_CLS"}, "task_type"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"megatron_config": {"a": 1}}, "megatron_config"),
        ({"auto_mapping": {"base_model_class": "Evil"}}, "auto_mapping"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"a_setting_of_tomorrow": 3}, "a_setting_of_tomorrow"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"r": 8}, "shapes"),
        ({"r": True}, "is no rank"),
        ({"r": "4"}, "is no rank"),
        ({"target_modules": ["q_proj"]}, "not among target_modules"),
        ({"target_modules": ["q_proj", "v_proj", "o_proj"]}, "o_proj has no weights"),
        ({"target_modules": 7}, "no list of names"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    tiny: PreparedModel, adapter: Path, change: dict[str, Any], reason: str
) -> None:
    edit_json(adapter / CONFIGURATION, **change)
    with pytest.raises(InvalidInputError) as refused:
        check_adapter(list_outside(adapter), tiny)
    assert reason in str(refused.value)


@pytest.mark.parametrize("named", [None, "", "tiny-random", "Tiny Random", "x/y/tiny_random/"])
def test_a_base_is_known_by_its_names_or_by_its_shapes(
    tiny: PreparedModel, adapter: Path, named: str | None
) -> None:
    edit_json(adapter / CONFIGURATION, base_model_name_or_path=named)
    check_adapter(list_outside(adapter), tiny)


def rewrite(folder: Path, change: dict[str, torch.Tensor | None], name: str = WEIGHTS) -> None:
    tensors = load_file(folder / name)
    for key, tensor in change.items():
        if tensor is None:
            del tensors[key]
        else:
            tensors[key] = tensor
    save_file(tensors, folder / name, metadata={"format": "pt"})


EMBEDDING = "base_model.model.model.embed_tokens"
QUERY = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({f"{QUERY}.lora_A.weight": torch.zeros(4, 128)}, "this base needs"),
        ({f"{QUERY}.lora_B.weight": None}, "this base needs"),
        ({f"{QUERY.replace('0', '7')}.lora_A.weight": torch.zeros(4, 64)}, "no such linear layer"),
        (
            {
                f"{EMBEDDING}.lora_A.weight": torch.zeros(4, 64),
                f"{EMBEDDING}.lora_B.weight": torch.zeros(320, 4),
            },
            "no such linear layer",
        ),
        ({"base_model.model.lm_head.weight": torch.zeros(320, 64)}, "no weight of a LoRA adapter"),
        ({"model.embed_tokens.lora_A.weight": torch.zeros(4, 64)}, "no weight of a LoRA adapter"),
    ],
)
def test_weights_of_another_base_are_refused(
    tiny: PreparedModel, adapter: Path, change: dict[str, torch.Tensor | None], reason: str
) -> None:
    rewrite(adapter, change)
    with pytest.raises(InvalidInputError) as refused:
        check_adapter(list_outside(adapter), tiny)
    assert reason in str(refused.value)


def test_weights_that_are_whole_numbers_or_cut_short_are_refused(
    tiny: PreparedModel, adapter: Path
) -> None:
    rewrite(adapter, {f"{QUERY}.lora_A.weight": torch.zeros(4, 64, dtype=torch.int8)})
    with pytest.raises(InvalidInputError, match="floating point"):
        check_adapter(list_outside(adapter), tiny)
    content = (adapter / WEIGHTS).read_bytes()
    (adapter / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError):
        check_adapter(list_outside(adapter), tiny)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(adapter: Path, number: float) -> None:
    rewrite(adapter, {f"{QUERY}.lora_A.weight": torch.full((4, 64), number)})
    with pytest.raises(InvalidInputError, match="not finite"):
        check_finite(list_outside(adapter))


def test_a_whole_model_of_the_same_shape_is_taken(tiny: PreparedModel, whole: Path) -> None:
    (whole / "model.json").unlink(missing_ok=True)
    files = list_outside(whole)
    check_whole(files, tiny)
    check_vocabulary(files, tiny)
    assert not other_template(files, tiny)
    # A tied head is written by some programs, and is not another model for that.
    embedding = load_file(whole / "model.safetensors")["model.embed_tokens.weight"]
    rewrite(whole, {"lm_head.weight": embedding.clone()}, "model.safetensors")
    check_whole(list_outside(whole), tiny)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"auto_map": {"AutoModel": "modeling.Evil"}}, "auto_map"),
        ({"architectures": ["MistralForCausalLM"]}, "architectures"),
        ({"hidden_size": 128}, "hidden_size is 128, the base's is 64"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
    ],
)
def test_a_whole_model_of_another_kind_is_refused(
    tiny: PreparedModel, whole: Path, change: dict[str, Any], reason: str
) -> None:
    edit_json(whole / "config.json", **change)
    with pytest.raises(InvalidInputError) as refused:
        check_whole(list_outside(whole), tiny)
    assert reason in str(refused.value)


def test_whole_weights_that_are_not_the_bases_shape_are_refused(
    tiny: PreparedModel, whole: Path
) -> None:
    rewrite(whole, {"model.norm.weight": torch.zeros(65)}, "model.safetensors")
    rewrite(whole, {"model.extra.weight": torch.zeros(2)}, "model.safetensors")
    with pytest.raises(InvalidInputError) as refused:
        check_whole(list_outside(whole), tiny)
    assert "model.norm.weight: 65, the base's is 64" in str(refused.value)
    assert "model.extra.weight: 2, the base's is absent" in str(refused.value)


def test_parts_that_the_index_does_not_name_are_refused(tiny: PreparedModel, whole: Path) -> None:
    index = whole / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001.safetensors"}}))
    with pytest.raises(InvalidInputError, match="do not name each other"):
        check_whole(list_outside(whole), tiny)
    index.unlink()
    shutil.copy(whole / "model.safetensors", whole / "more.safetensors")
    with pytest.raises(InvalidInputError, match="several weight files"):
        check_whole(list_outside(whole), tiny)


def test_another_vocabulary_is_refused_and_another_template_noted(
    tiny: PreparedModel, whole: Path
) -> None:
    (whole / "chat_template.jinja").write_text("{{ messages }}")
    assert other_template(list_outside(whole), tiny)
    data = json.loads((whole / "tokenizer.json").read_text())
    vocabulary = data["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (whole / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(InvalidInputError, match="another vocabulary"):
        check_vocabulary(list_outside(whole), tiny)
