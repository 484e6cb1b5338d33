"""A run's refusals, and what its adapter is worth to whoever gets it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.factory import QUIET, prepare_tiny
from tests.training.factory import make_settings, run

from civicbench.core.digests import digest_files, digest_listing
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.models.loading import load_adapter, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import (
    read_training_measurements,
    read_training_record,
    training_stage,
)

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = "adapter_model.safetensors"
# What trains the same adapter in a process of its own.
SCRIPT = """
import sys
from pathlib import Path
from tests.models.factory import QUIET, prepare_tiny
from tests.training.factory import make_inputs, make_settings, run
from civicbench.models import loading
from civicbench.models.rendering import load_renderer

loading.usable_cores = lambda: 1
prepared = prepare_tiny(Path(sys.argv[1]) / "home")
run(make_settings(), make_inputs(prepared, load_renderer(prepared)), Path(sys.argv[1]) / "run")
"""


def never() -> Any:
    raise AssertionError("trackers were opened before all checks had passed")


def test_a_batch_larger_than_the_data_is_refused(inputs: TrainingInputs, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="takes more rows than there are") as caught:
        run(make_settings(batch_size_rows=8), inputs, tmp_path, trackers=never)
    assert caught.value.where == "training.batch_size_rows"
    assert caught.value.got == "8 rows a step, 7 rows in all"


@pytest.mark.parametrize("targets", [["q_porj"], ["q_proj", "q_porj"]])
def test_layers_that_the_model_lacks_are_refused_even_beside_ones_that_it_has(
    targets: list[str], inputs: TrainingInputs, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="match no layer") as caught:
        run(make_settings(target_modules=targets), inputs, tmp_path, trackers=never)
    assert caught.value.where == "training.target_modules"
    assert caught.value.got == "q_porj"
    assert "q_proj" in str(caught.value.remedy)


def test_named_layers_alone_get_an_adapter(inputs: TrainingInputs, tmp_path: Path) -> None:
    settings = make_settings(target_modules=["q_proj", "v_proj"], epochs=1)
    run(settings, inputs, tmp_path)
    from safetensors.torch import load_file

    layers = {n.split(".")[-3] for n in load_file(tmp_path / "adapter" / WEIGHTS)}
    assert layers == {"q_proj", "v_proj"}


def test_a_step_with_fewer_rows_than_processes_is_refused(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    from civicbench.core.ranks import Ranks
    from civicbench.training.running import train

    with pytest.raises(InvalidInputError, match="too few rows") as caught:
        train(
            make_settings(batch_size_rows=2),
            inputs,
            folder=tmp_path,
            reporter=QUIET,
            trackers=never,
            ranks=Ranks(rank=0, size=3),
        )
    assert caught.value.where == "training.batch_size_rows"


@pytest.mark.parametrize("changes", [{"keep": "best"}, {"early_stopping_patience": 1}])
def test_what_goes_by_the_held_out_loss_needs_held_out_rows(
    changes: dict[str, Any], inputs: TrainingInputs, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="no held-out rows"):
        run(make_settings(**changes), inputs, tmp_path, trackers=never)


def test_the_record_counts_what_was_trained(finished: Path, inputs: TrainingInputs) -> None:
    record = read_training_record(finished)
    assert record.rows == 7
    assert record.steps == 8
    assert record.trained_tokens == sum(sum(i >= 0 for i in e.labels) for e in inputs.train)
    assert record.prompt_tokens + record.trained_tokens == sum(e.length for e in inputs.train)
    assert record.adapter_digest == digest_listing(digest_files(finished / "adapter"))
    assert record.held_out_curve == ()
    assert record.curve[-1].loss < record.curve[0].loss
    assert read_training_measurements(finished).tokens_per_second > 0


def test_the_same_run_again_gives_the_same_bytes(
    inputs: TrainingInputs, finished: Path, tmp_path: Path
) -> None:
    again = run(make_settings(), inputs, tmp_path)
    assert digest_files(again / "adapter") == digest_files(finished / "adapter")
    other = run(make_settings(seed=1), inputs, tmp_path / "other")
    ours, theirs = (digest_files(f / "adapter")[WEIGHTS] for f in (finished, other))
    assert ours != theirs


def test_the_adapter_is_the_same_in_another_process_with_another_order_of_sets(
    finished: Path, tmp_path: Path
) -> None:
    ours = os.environ.get("PYTHONHASHSEED")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONHASHSEED": "2" if ours == "1" else "1",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert digest_files(tmp_path / "run" / "adapter") == digest_files(finished / "adapter")


def test_no_machine_path_stands_in_any_file_of_the_adapter(
    finished: Path, tiny: PreparedModel
) -> None:
    names = {path.name for path in (finished / "adapter").iterdir()}
    assert names == {"adapter_config.json", WEIGHTS, "provenance.json"}
    for path in (finished / "adapter").iterdir():
        content = path.read_bytes()
        for place in (
            finished,
            finished.parent,
            tiny.folder,
            tiny.folder.parent,
            ROOT,
            Path.home(),
        ):
            assert f"{place}/".encode() not in content
            assert f'"{place}"'.encode() not in content
    configuration = json.loads((finished / "adapter" / "adapter_config.json").read_text())
    assert configuration["base_model_name_or_path"] == "tiny-random"


def test_the_adapter_says_what_it_was_made_from(finished: Path, tiny: PreparedModel) -> None:
    said = json.loads((finished / "adapter" / "provenance.json").read_text())
    assert said["base_weights_digest"] == tiny.record.weights_digest
    assert said["template_digest"] == tiny.record.template_digest
    assert said["settings"]["rank"] == 4
    assert said["packages"]["torch"] == torch.__version__


def test_an_adapter_is_not_put_onto_another_base(finished: Path, tmp_path: Path) -> None:
    other = prepare_tiny(tmp_path, seed=1)
    base = load_base(other, precision="float32")
    with pytest.raises(InvalidInputError, match="trained on another base model"):
        load_adapter(base, finished / "adapter", base_weights_digest=other.record.weights_digest)


def test_a_folder_without_an_adapter_in_safetensors_form_is_refused(
    tiny: PreparedModel, tmp_path: Path
) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(b"a pickle")
    with pytest.raises(PartAbsentError, match="no adapter in safetensors form"):
        load_adapter(
            load_base(tiny, precision="float32"),
            tmp_path,
            base_weights_digest=tiny.record.weights_digest,
        )


def test_the_merged_model_is_base_and_adapter_together(
    finished: Path, tiny: PreparedModel, inputs: TrainingInputs
) -> None:
    ids = torch.tensor([inputs.train[0].input_ids])

    def adapted() -> Any:
        return load_adapter(
            load_base(tiny, precision="float32"),
            finished / "adapter",
            base_weights_digest=tiny.record.weights_digest,
        )

    with torch.inference_mode():
        base = load_base(tiny, precision="float32").eval()(input_ids=ids).logits
        together = adapted()(input_ids=ids).logits
        merged = adapted().merge_and_unload()(input_ids=ids).logits
    assert torch.allclose(merged, together, atol=1e-5)
    assert (together - base).abs().max() > 1e-3


def test_the_stage_is_another_when_what_shapes_the_adapter_is(
    tiny: PreparedModel, tmp_path: Path
) -> None:
    from civicbench.core.workspace import Workspace

    def key(digest: str = "a", **changes: Any) -> str:
        return training_stage(
            make_settings(**changes),
            tiny,
            snapshot_digest=digest,
            workspace=Workspace(tmp_path),
        ).key

    assert key() == key(checkpoint_every_steps=9, checkpoints_kept=1)
    assert len({key(), key("b"), key(seed=1), key(rank=8), key(learning_rate=0.1)}) == 5
