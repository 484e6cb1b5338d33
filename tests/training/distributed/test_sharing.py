"""Runs that several processes share come to what one process comes to, and go on on any number."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from civicbench.training.record import TrainingRecord
from civicbench.training.running import read_training_record

ROOT = Path(__file__).resolve().parents[3]
# Rows whose lengths differ, so that processes have unequal numbers of passes of this size.
PLAIN = {
    "batch_size_rows": 4, "micro_batch_tokens": 60, "held_out_every_steps": 3, "keep": "best",
}  # fmt: skip
FULL = {
    "batch_size_rows": 4, "method": "full", "rank": None, "alpha": None, "target_modules": None,
    "learning_rate": 1e-3,
}  # fmt: skip
PREFERENCES = {"batch_size_rows": 4, "objective": "dpo", "preference_beta": 0.3, "epochs": 3}
OTHER = {
    "batch_size_rows": 8, "weight_decomposed": True, "gradient_checkpointing": True, "rank": 3,
    "gradient_accumulation_steps": 2, "maximum_gradient_norm": 0.01, "b_learning_rate_ratio": 4,
}  # fmt: skip
FSDP2 = {"distributed": "fsdp2"}
# Sums are taken in another order: float32 keeps 24 bits of each.
LOSS = 1e-5
WEIGHT = 1e-6


def piece(name: str, processes: int, settings: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "processes": processes,
        "settings": {**settings, "precision": "float32"},
        **more,
    }


PIECES = [
    piece("one", 1, PLAIN),
    piece("copies", 2, {**PLAIN, "distributed": "ddp"}),
    piece("parts", 2, {**PLAIN, **FSDP2}),
    piece("four copies", 4, PLAIN),
    piece("four parts", 4, {**PLAIN, **FSDP2}),
    piece("full", 1, FULL),
    piece("full in parts", 2, {**FULL, **FSDP2}),
    piece("preferences", 1, PREFERENCES),
    piece("preferences in parts", 2, {**PREFERENCES, **FSDP2}),
    piece("other", 1, OTHER),
    piece("other in parts", 4, {**OTHER, **FSDP2}),
    piece("stopped", 2, {**PLAIN, **FSDP2}, stop_after=5),
    piece("same number", 2, {**PLAIN, **FSDP2}, goes_on="stopped"),
    piece("by four", 4, {**PLAIN, **FSDP2}, goes_on="stopped"),
    piece("by one", 1, PLAIN, goes_on="stopped"),
    piece("one stopped", 1, PLAIN, stop_after=5),
    piece("one to parts", 4, {**PLAIN, **FSDP2}, goes_on="one stopped"),
]


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


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("shared")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.training.distributed.runs", str(folder)],
        input="".join(json.dumps(one) + "\n" for one in PIECES),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    said = [json.loads(line) for line in ended.stdout.splitlines()]
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


@pytest.mark.parametrize(
    ("shared", "alone"),
    [
        ("copies", "one"),
        ("parts", "one"),
        ("four copies", "one"),
        ("four parts", "one"),
        ("full in parts", "full"),
        ("preferences in parts", "preferences"),
        ("other in parts", "other"),
    ],
)
def test_several_processes_come_to_what_one_comes_to(done: Done, shared: str, alone: str) -> None:
    """At an equal batch: every loss, every norm, every weight, whatever each process holds."""
    assert_same_run(done, shared, alone)


def test_training_moved_what_is_compared(done: Done) -> None:
    """Weights that nothing moved would be equal too."""
    moved = [weight for name, weight in done.weights("one").items() if "lora_B" in name]
    assert min(float(weight.abs().max()) for weight in moved) > 100 * WEIGHT
    assert done.record("preferences").curve[-1].loss < 0.69


def test_the_result_is_written_once_and_whole(done: Done) -> None:
    for name in ("one", "four copies", "four parts"):
        files = sorted(path.name for path in (done.folder / name).rglob("*") if path.is_file())
        assert files == [
            "adapter_config.json", "adapter_model.safetensors", "measurements.json",
            "metrics.jsonl", "provenance.json", "training.json",
        ]  # fmt: skip
        lines = (done.folder / name / "metrics.jsonl").read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines if "learning_rate" in line]
        assert steps == list(range(1, len(done.record("one").curve) + 1))


def test_a_signal_to_one_process_stops_all_with_a_checkpoint_in_parts(done: Done) -> None:
    assert done.codes["stopped"] == [75, 75]
    assert "SIGUSR1" in done.errors["stopped"]["error-1"]
    assert "a signal to another process" in done.errors["stopped"]["error-0"]
    (newest,) = (done.folder / "stopped" / "checkpoints").glob("checkpoint-6")
    assert sorted(path.name for path in newest.iterdir()) == [
        "optimiser-00001-of-00002.safetensors", "optimiser-00002-of-00002.safetensors",
        "state.json",
        "weights-00001-of-00002.safetensors", "weights-00002-of-00002.safetensors",
        "whole.json",
    ]  # fmt: skip
    parts = [load_file(newest / f"weights-0000{n}-of-00002.safetensors") for n in (1, 2)]
    numbers = [sum(weight.numel() for weight in part.values()) for part in parts]
    assert numbers == [done.record("one").trainable_parameters / 2] * 2


def test_a_stopped_run_goes_on_to_the_same_bytes(done: Done) -> None:
    assert done.record("same number").adapter_digest == done.record("parts").adapter_digest
    assert done.record("same number").curve == done.record("parts").curve


@pytest.mark.parametrize("name", ["by four", "by one", "one to parts"])
def test_a_stopped_run_goes_on_with_another_number_and_sharing(done: Done, name: str) -> None:
    assert_same_run(done, name, "one")
    measured = json.loads((done.folder / name / "measurements.json").read_text())
    assert measured["resumed_from_step"] == 6
