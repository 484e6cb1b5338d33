"""Every training method does what its name says, starts where it should, and is kept whole."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.factory import run
from tests.training.methods import (
    ADAPTERS,
    FULL,
    QUANTISED,
    logits_of,
    settings_of,
    steps,
    trained,
)
from tests.training.test_resuming import StoppedError, stop_at

from civicbench.core.digests import digest_files
from civicbench.core.errors import InvalidInputError
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.trained import load_trained
from civicbench.training.adapting import build_trainable_model, trainable_groups
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import read_training_measurements

WEIGHTS = "adapter_model.safetensors"
SAME = 1e-4


def built(changes: dict[str, Any], tiny: PreparedModel) -> Any:
    return build_trainable_model(settings_of(changes), tiny, spread=False)


def apart(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).detach().abs().max())


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_method_starts_as_the_base_and_learns(
    name: str, tiny: PreparedModel, inputs: TrainingInputs
) -> None:
    model = built(ADAPTERS[name], tiny)
    base = logits_of(load_base(tiny, precision="float32"), inputs.train)
    assert apart(logits_of(model, inputs.train), base) < SAME
    losses = steps(model, settings_of(ADAPTERS[name]), inputs.train, count=4)
    assert losses[-1] < losses[0]
    assert apart(logits_of(model, inputs.train), base) > 1e-2


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_is_written_is_on_the_original_base_the_model_that_was_trained(
    name: str, tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    model, folder = trained(ADAPTERS[name], tiny, inputs.train, tmp_path / "adapter")
    again = load_trained(tiny, folder, precision="float32")
    assert apart(logits_of(again, inputs.train), logits_of(model, inputs.train)) < SAME
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json", WEIGHTS, "provenance.json",
    }  # fmt: skip


@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantised_base_is_trained_on_a_cpu(
    name: str, tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    changes = QUANTISED[name]
    model = built(changes, tiny)
    losses = steps(model, settings_of(changes), inputs.train, count=6)
    assert losses[-1] < losses[0] - 0.05
    model, folder = trained(changes, tiny, inputs.train, tmp_path / "adapter")
    again = load_trained(
        tiny,
        folder,
        precision=settings_of(changes).precision,
        quantisation=settings_of(changes).quantisation,
    )
    assert apart(logits_of(again, inputs.train), logits_of(model, inputs.train)) < SAME


@pytest.mark.parametrize("name", QUANTISED)
def test_a_held_out_loss_between_steps_changes_no_step(
    name: str, tiny: PreparedModel, inputs: TrainingInputs
) -> None:
    pytest.importorskip("bitsandbytes")
    settings = settings_of(QUANTISED[name])
    looked_at = built(QUANTISED[name], tiny)
    logits_of(looked_at, inputs.train)
    expected = steps(built(QUANTISED[name], tiny), settings, inputs.train, count=3)
    assert steps(looked_at, settings, inputs.train, count=3) == expected


@pytest.mark.parametrize("changes", [*ADAPTERS.values(), *QUANTISED.values(), FULL])
def test_what_is_trained_is_float32_whatever_the_base_is_held_in(
    changes: dict[str, Any], tiny: PreparedModel
) -> None:
    if "quantisation" in changes:
        pytest.importorskip("bitsandbytes")
    model = built({**changes, "precision": "bfloat16"}, tiny)
    assert {w.dtype for w in model.parameters() if w.requires_grad} == {torch.float32}


@pytest.mark.parametrize("name", ["dora", "pissa", "lora-plus", "qlora", "full"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    name: str, inputs: TrainingInputs, tmp_path: Path
) -> None:
    changes = {**ADAPTERS, **QUANTISED, "full": FULL}[name]
    if "quantisation" in changes:
        pytest.importorskip("bitsandbytes")
    settings = settings_of(changes)
    whole = run(settings, inputs, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        stop_at(5, patch)
        with pytest.raises(StoppedError):
            run(settings, inputs, tmp_path / "stopped")
    again = run(settings, inputs, tmp_path / "stopped")
    assert read_training_measurements(again).resumed_from_step == 4
    assert digest_files(again / "adapter") == digest_files(whole / "adapter")


def test_pissa_trains_what_the_base_has_most_of(
    tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    """The adapter starts as the base's largest singular directions, which leave the base."""
    original = load_base(tiny, precision="float32")
    model = built(ADAPTERS["pissa"], tiny)
    name = "model.layers.1.mlp.up_proj"
    layer = model.get_base_model().get_submodule(name)
    weight = original.get_submodule(name).weight
    left, values, right = torch.linalg.svd(weight)
    principal = left[:, :4] @ torch.diag(values[:4]) @ right[:4]
    assert apart(layer.base_layer.weight, weight - principal) < 1e-5
    assert apart(layer.get_delta_weight("default"), principal) < 1e-5
    _, folder = trained(ADAPTERS["pissa"], tiny, inputs.train, tmp_path / "adapter")
    written = load_file(folder / WEIGHTS)
    assert {w.shape[0] for n, w in written.items() if "lora_A" in n} == {8}
    configuration = json.loads((folder / "adapter_config.json").read_text())
    assert (configuration["r"], configuration["init_lora_weights"]) == (8, True)


def test_a_rank_stabilised_adapter_is_scaled_by_the_root_of_its_rank(tiny: PreparedModel) -> None:
    def scaling(changes: dict[str, Any]) -> float:
        layer = built(changes, tiny).get_base_model().model.layers[0].mlp.up_proj
        return float(layer.scaling["default"])

    assert scaling({"rank": 16, "alpha": 8}) == 8 / 16
    assert scaling({"rank": 16, "alpha": 8, "rank_stabilised": True}) == 8 / 4


def test_a_decomposed_adapter_trains_magnitudes_beside_directions(tiny: PreparedModel) -> None:
    model = built(ADAPTERS["dora"], tiny)
    base = load_base(tiny, precision="float32")
    layer = model.get_base_model().model.layers[0].mlp.up_proj
    magnitudes = layer.lora_magnitude_vector["default"].weight
    assert magnitudes.requires_grad
    rows = base.model.layers[0].mlp.up_proj.weight.norm(dim=1)
    assert torch.allclose(magnitudes, rows, atol=1e-6)


def test_lora_plus_lets_b_matrices_learn_faster_and_decays_matrices_alone(
    tiny: PreparedModel,
) -> None:
    changes = {"b_learning_rate_ratio": 16.0, "learning_rate": 1e-3, "weight_decay": 0.1}
    model = built({**changes, "weight_decomposed": True}, tiny)
    groups = trainable_groups(model, settings_of(changes))
    found = {
        name: (group.rate_share, group.weight_decay) for group in groups for name in group.weights
    }
    assert len(found) == sum(weight.requires_grad for weight in model.parameters())
    expected = {"lora_A": (1.0, 0.1), "lora_B": (16.0, 0.1), "magnitude": (1.0, 0.0)}
    for part, treated in expected.items():
        assert {t for name, t in found.items() if part in name} == {treated}


def test_full_training_changes_every_weight_and_decays_no_norm(
    tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    model, folder = trained(FULL, tiny, inputs.train, tmp_path / "model")
    groups = trainable_groups(model, settings_of({**FULL, "weight_decay": 0.1}))
    decayed = {n: g.weight_decay for g in groups for n in g.weights}
    assert len(decayed) == len(list(model.parameters()))
    assert all(decay == (0.0 if "norm" in name else 0.1) for name, decay in decayed.items())
    base = load_base(tiny, precision="float32").state_dict()
    assert all(not torch.equal(w, base[name]) for name, w in model.state_dict().items())
    again = load_trained(tiny, folder, precision="float32")
    assert torch.equal(logits_of(again, inputs.train), logits_of(model, inputs.train))
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "provenance.json",
    }  # fmt: skip


def test_a_fully_trained_model_is_kept_in_the_format_of_its_base(
    tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    load_base(tiny, precision="bfloat16").save_pretrained(tmp_path / "base")
    half = PreparedModel(tiny.entry, tmp_path / "base", tiny.record)
    model, folder = trained(FULL, half, inputs.train, tmp_path / "model")
    assert model.dtype == torch.float32
    written = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in written.values()} == {torch.bfloat16}
    norm = model.model.norm.weight
    assert torch.equal(written["model.norm.weight"], norm.detach().bfloat16())


@pytest.mark.parametrize("changes", [*ADAPTERS.values(), FULL])
def test_no_machine_path_is_written(
    changes: dict[str, Any], tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    _, folder = trained(changes, tiny, inputs.train, tmp_path / "made", count=1)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content
        assert str(tiny.folder).encode() not in content


@pytest.mark.parametrize("targets", ["all-linear", ["k_proj", "up_proj"]])
def test_a_rank_larger_than_a_layer_is_refused_before_the_weights_are_read(
    targets: Any, tiny: PreparedModel, tmp_path: Path
) -> None:
    without = PreparedModel(tiny.entry, tmp_path, tiny.record)
    (tmp_path / "config.json").write_bytes((tiny.folder / "config.json").read_bytes())
    with pytest.raises(InvalidInputError, match="larger than the smaller side") as caught:
        built({"rank": 33, "target_modules": targets}, without)
    assert "k_proj has 32" in str(caught.value)
    assert "32 or less" in str(caught.value)


def test_a_rank_as_large_as_a_layer_is_taken(tiny: PreparedModel) -> None:
    built({"rank": 32, "target_modules": ["k_proj"]}, tiny)
    built({"rank": 64, "target_modules": ["up_proj"]}, tiny)


@pytest.mark.parametrize(
    ("targets", "remedy"),
    [
        (["q_prj"], "did you mean q_proj"),
        (["q_proj", "mlp"], "linear layers are"),
        (["lm_head"], "linear layers are"),
        (["embed_tokens"], "linear layers are"),
    ],
)
def test_target_modules_that_match_no_linear_layer_are_refused(
    targets: list[str], remedy: str, tiny: PreparedModel
) -> None:
    with pytest.raises(InvalidInputError, match="match no layer") as caught:
        built({"target_modules": targets}, tiny)
    assert remedy in str(caught.value.remedy)


def test_longer_names_of_layers_are_taken_as_peft_takes_them(tiny: PreparedModel) -> None:
    model = built({"target_modules": ["layers.1.mlp.up_proj"]}, tiny)
    [(name, _)] = [(n, w) for n, w in model.named_parameters() if "lora_A" in n]
    assert "layers.1.mlp.up_proj" in name
