"""DeepSpeed ZeRO-3: what it is told, that it is asked for, and the same result where it is here."""

import importlib.util
import json

import pytest
from tests.training.distributed.pieces import (
    FULL,
    PLAIN,
    PREFERENCES,
    Done,
    assert_same_run,
    do,
    piece,
)
from tests.training.factory import make_settings

from civicbench.core.errors import PartAbsentError
from civicbench.training.distributed.presets import DeepspeedZero3, load_preset, refuse_preset
from civicbench.training.distributed.zero3 import deepspeed_configuration

ZERO3 = {"distributed": "deepspeed-zero3"}
IS_HERE = importlib.util.find_spec("deepspeed") is not None
PIECES = [
    piece("one", 1, PLAIN),
    piece("parts", 2, {**PLAIN, **ZERO3}),
    piece("full", 1, FULL),
    piece("full in parts", 2, {**FULL, **ZERO3}),
    piece("preferences", 1, PREFERENCES),
    piece("preferences in parts", 2, {**PREFERENCES, **ZERO3}),
    piece("stopped", 2, {**PLAIN, **ZERO3}, stop_after=5),
    piece("same number", 2, {**PLAIN, **ZERO3}, goes_on="stopped"),
    piece("by four", 4, {**PLAIN, **ZERO3}, goes_on="stopped"),
    piece("by fsdp2", 2, {**PLAIN, "distributed": "fsdp2"}, goes_on="stopped"),
]


def zero3(**changes: object) -> DeepspeedZero3:
    settings = load_preset("deepspeed-zero3").settings
    assert isinstance(settings, DeepspeedZero3)
    return settings.model_copy(update=changes)


def test_deepspeed_is_told_what_the_settings_say() -> None:
    settings = make_settings(precision="bfloat16", maximum_gradient_norm=0.7)
    told = deepspeed_configuration(zero3(kept_whole_numbers=5, bucket_numbers=9), settings)
    assert told["gradient_clipping"] == 0.7
    assert told["bf16"] == {"enabled": True}
    assert told["zero_optimization"] == {
        "stage": 3,
        "reduce_bucket_size": 9,
        "stage3_prefetch_bucket_size": 9,
        "stage3_param_persistence_threshold": 5,
    }
    plain = deepspeed_configuration(zero3(), make_settings(precision="float32"))
    assert plain["bf16"] == {"enabled": False}
    json.dumps(plain)


def test_offloading_moves_weights_and_optimiser_to_main_memory() -> None:
    told = deepspeed_configuration(zero3(cpu_offload=True), make_settings())["zero_optimization"]
    assert told["offload_param"]["device"] == told["offload_optimizer"]["device"] == "cpu"


@pytest.mark.skipif(IS_HERE, reason="DeepSpeed is installed")
def test_its_absence_is_said_with_what_to_install() -> None:
    with pytest.raises(PartAbsentError) as caught:
        refuse_preset(make_settings(**ZERO3), processes=2)
    assert "civicbench[deepspeed]" in str(caught.value)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    if not IS_HERE:
        pytest.skip("DeepSpeed is not installed")
    return do(PIECES, tmp_path_factory.mktemp("zero3"), "--deepspeed")


@pytest.mark.parametrize(
    ("shared", "alone"),
    [
        ("parts", "one"),
        ("full in parts", "full"),
        ("preferences in parts", "preferences"),
        ("same number", "one"),
        ("by four", "one"),
        ("by fsdp2", "one"),
    ],
)
def test_it_comes_to_what_one_process_comes_to(done: Done, shared: str, alone: str) -> None:
    assert_same_run(done, shared, alone)


def test_a_stopped_run_goes_on_to_the_same_bytes(done: Done) -> None:
    assert done.codes["stopped"] == [75, 75]
    assert done.record("same number").adapter_digest == done.record("parts").adapter_digest
