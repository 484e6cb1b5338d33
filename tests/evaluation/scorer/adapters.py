"""Adapters with random weights and whole models with moved ones, as training leaves them."""

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from civicbench.models.loading import PROVENANCE_NAME, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.trained import weights_of, write_weights


def make_adapter(prepared: PreparedModel, folder: Path, *, seed: int, rank: int) -> Path:
    torch.manual_seed(seed)
    base = load_base(prepared, precision="float32")
    model = get_peft_model(base, LoraConfig(r=rank, target_modules="all-linear"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name and seed:
                weight.copy_(torch.randn_like(weight) * 0.2)
    model.save_pretrained(folder)
    (folder / PROVENANCE_NAME).write_text(
        json.dumps({"base_weights_digest": prepared.record.weights_digest})
    )
    return folder


def make_full(prepared: PreparedModel, folder: Path, *, change: float) -> Path:
    """Write a model whose norms were moved, as full training leaves one."""
    model = load_base(prepared, precision="float32")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.add_(torch.arange(len(weight)) * change / len(weight))
    folder.mkdir(parents=True)
    write_weights(weights_of(model), folder=folder, precision="float32")
    shutil.copy(prepared.folder / "config.json", folder)
    (folder / PROVENANCE_NAME).write_text(
        json.dumps({"base_weights_digest": prepared.record.weights_digest})
    )
    return folder
