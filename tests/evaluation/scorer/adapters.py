"""Adapters with random weights, as training leaves them."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from civicbench.models.loading import PROVENANCE_NAME, load_base
from civicbench.models.prepare import PreparedModel


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
