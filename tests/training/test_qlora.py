"""QLoRA on a 4-bit base, which bitsandbytes runs on a CPU as well."""

from pathlib import Path

import pytest
import torch
from tests.training.factory import make_settings, run

from civicbench.core.errors import PartAbsentError
from civicbench.models.loading import load_adapter, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import read_training_record

SETTINGS = make_settings(quantisation="nf4", precision="bfloat16", gradient_checkpointing=True)


def test_without_bitsandbytes_it_is_refused_with_the_command_that_installs_it(
    inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PartAbsentError, match="bitsandbytes is not installed") as caught:
        run(SETTINGS, inputs, tmp_path)
    assert "civicbench[qlora]" in str(caught.value.remedy)


def test_a_4_bit_base_is_trained_and_used_with_its_adapter(
    inputs: TrainingInputs, tiny: PreparedModel, tmp_path: Path
) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    run(SETTINGS, inputs, tmp_path)
    record = read_training_record(tmp_path)
    assert record.steps == 8
    assert record.trainable_parameters == 8192
    assert record.curve[-1].loss < record.curve[0].loss

    base = load_base(tiny, precision="bfloat16", quantisation="nf4")
    layers = [m for m in base.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 2 * 7
    ids = torch.tensor([inputs.train[0].input_ids])
    with torch.inference_mode():
        before = base.eval()(input_ids=ids).logits
        adapted = load_adapter(
            base, tmp_path / "adapter", base_weights_digest=tiny.record.weights_digest
        )
        after = adapted(input_ids=ids).logits
    assert not torch.equal(before, after)


def test_a_4_bit_run_that_is_repeated_gives_the_same_weights(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    first, again = (run(SETTINGS, inputs, tmp_path / name) for name in ("first", "again"))
    weights = "adapter/adapter_model.safetensors"
    assert (first / weights).read_bytes() == (again / weights).read_bytes()
