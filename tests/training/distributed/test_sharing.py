"""Runs that several processes share come to what one process comes to, and go on on any number."""

import json

import pytest
from safetensors.torch import load_file
from tests.training.distributed.pieces import (
    FULL,
    PLAIN,
    PREFERENCES,
    WEIGHT,
    Done,
    assert_same_run,
    do,
    piece,
)

OTHER = {
    "batch_size_rows": 8, "weight_decomposed": True, "gradient_checkpointing": True, "rank": 3,
    "gradient_accumulation_steps": 2, "maximum_gradient_norm": 0.01, "b_learning_rate_ratio": 4,
}  # fmt: skip
FSDP2 = {"distributed": "fsdp2"}
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


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return do(PIECES, tmp_path_factory.mktemp("shared"))


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
