"""Proposals fit, and come with the cheapest first."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.training.memory.shapes import BFLOAT16, FULL, architecture, make_settings

from civicbench.training.memory.fitting import Fitting, fit_memory
from civicbench.training.memory.passes import PassShape, estimated_passes
from civicbench.training.memory.sharding import Sharding
from civicbench.training.settings import TrainingSettings

_LENGTHS = [200] * 64


def passes_of(settings: TrainingSettings, processes: int) -> Sequence[PassShape]:
    return estimated_passes(
        settings, lengths=_LENGTHS, trained=[40] * len(_LENGTHS), processes=processes
    )


def fit(
    gigabytes: float, *, devices: int = 1, parts: tuple[Sharding, ...] = (), **changes: Any
) -> Fitting:
    return fit_memory(
        architecture(changes.pop("model", "llama-3.2-1b-instruct")),
        make_settings(batch_size_rows=32, **changes),
        passes_of=passes_of,
        longest_row_tokens=200,
        available=gigabytes * 1e9,
        on_gpu=True,
        devices=devices,
        shardings=("none",) if devices == 1 else ("ddp", *parts, "layers"),
        allow_quantisation=True,
    )


def test_what_fits_is_left_alone() -> None:
    (first, *_) = fit(200).proposals
    assert first.changes == {}
    assert first.overrides(devices=1, memory_bytes=200e9) == ()


def test_fewer_tokens_a_pass_come_before_anything_that_costs() -> None:
    found = fit(14)
    first = found.proposals[0]
    assert set(first.changes) == {"micro_batch_tokens"}
    assert 200 <= first.changes["micro_batch_tokens"] < 32 * 200
    assert first.plan.total <= 14e9
    assert first.overrides(devices=1, memory_bytes=14e9) == (
        f"training.micro_batch_tokens={first.changes['micro_batch_tokens']}",
    )


@pytest.mark.parametrize("gigabytes", [4, 6, 8, 12, 24])
def test_every_proposal_fits_and_is_valid(gigabytes: float) -> None:
    for proposal in fit(gigabytes).proposals:
        assert proposal.plan.total <= gigabytes * 1e9
        assert TrainingSettings.model_validate(proposal.settings.model_dump()) == proposal.settings
        assert len(proposal.costs) >= len(proposal.changes) - 1


def test_checkpointing_comes_before_other_numbers_and_other_weights() -> None:
    small = fit(6.5)
    assert "gradient_checkpointing" in small.proposals[0].changes
    assert "quantisation" not in small.proposals[0].changes
    tiny = fit(3.2)
    assert tiny.proposals[0].changes["quantisation"] == "nf4"


def test_nothing_fits_and_it_is_said_by_how_much() -> None:
    found = fit(1.0)
    assert found.proposals == ()
    assert found.smallest.total > 1e9


def test_full_training_is_never_quantised() -> None:
    assert all("quantisation" not in p.changes for p in fit(40, **FULL).proposals)


def test_several_gpus_hold_layers_in_turn_where_a_copy_on_each_does_not_fit() -> None:
    found = fit(80, devices=8, model="llama-3.3-70b-instruct", **BFLOAT16)
    first = found.proposals[0]
    assert first.sharding == "layers"
    assert first.overrides(devices=8, memory_bytes=80e9)[-2:] == (
        "hardware.devices=8", "hardware.memory_gb=80",
    )  # fmt: skip


def test_weights_are_shared_out_where_a_copy_on_each_does_not_fit() -> None:
    found = fit(80, devices=8, parts=("zero3",), model="llama-3.3-70b-instruct", **BFLOAT16)
    first = found.proposals[0]
    assert first.sharding == "zero3"
    assert "training.distributed=fsdp2" in first.overrides(devices=8, memory_bytes=80e9)
    assert any("fetched from the other devices" in cost for cost in first.costs)
    assert all(p.settings.quantisation is None for p in found.proposals if p.sharding == "zero3")


def test_a_step_keeps_a_row_for_every_process() -> None:
    found = fit(80, devices=8, gradient_accumulation_steps=32)
    assert found.proposals[0].sharding == "ddp"
    assert found.proposals[0].changes["gradient_accumulation_steps"] == 4
