"""Doing pieces of shared work, and comparing what they came to."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from civicbench.training.record import TrainingRecord
from civicbench.training.running import read_training_record

ROOT = Path(__file__).resolve().parents[3]
# Sums are taken in another order: float32 keeps 24 bits of each.
LOSS = 1e-5
WEIGHT = 1e-6
# Rows whose lengths differ, so that processes have unequal numbers of passes of this size.
PLAIN = {
    "batch_size_rows": 4, "micro_batch_tokens": 60, "held_out_every_steps": 3, "keep": "best",
}  # fmt: skip
FULL = {
    "batch_size_rows": 4, "method": "full", "rank": None, "alpha": None, "target_modules": None,
    "learning_rate": 1e-3,
}  # fmt: skip
PREFERENCES = {"batch_size_rows": 4, "objective": "dpo", "preference_beta": 0.3, "epochs": 3}


def piece(name: str, processes: int, settings: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    settings = {**settings, "precision": "float32"}
    return {"name": name, "processes": processes, "settings": settings, **more}


@dataclass(frozen=True)
class Done:
    folder: Path
    codes: Mapping[str, list[int]]
    errors: Mapping[str, dict[str, str]]

    def record(self, name: str) -> TrainingRecord:
        assert self.codes[name] == [0] * len(self.codes[name]), self.errors[name]
        return read_training_record(self.folder / name)

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        (path,) = (self.folder / name / "adapter").glob("*.safetensors")
        return load_file(path)


def do(pieces: Sequence[Mapping[str, Any]], folder: Path, *options: str) -> Done:
    """Do pieces of work in one program."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.training.distributed.runs", str(folder), *options],
        input="".join(json.dumps(one) + "\n" for one in pieces),
        cwd=ROOT, env={**os.environ, "DS_ACCELERATOR": "cpu"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    said = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith('{"name"')]
    return Done(
        folder,
        {one["name"]: one["codes"] for one in said},
        {one["name"]: one["errors"] for one in said},
    )


def assert_same_run(done: Done, shared: str, alone: str) -> None:
    one, many = done.record(alone), done.record(shared)
    for curve in ("curve", "held_out_curve"):
        losses = [[p.loss for p in getattr(record, curve)] for record in (many, one)]
        assert losses[0] == pytest.approx(losses[1], rel=LOSS)
    norms = [[p.gradient_norm for p in record.curve] for record in (many, one)]
    assert norms[0] == pytest.approx(norms[1], rel=10 * LOSS)
    assert many.trainable_parameters == one.trainable_parameters
    found, expected = done.weights(shared), done.weights(alone)
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=WEIGHT, msg=name)
