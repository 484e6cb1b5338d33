"""Making models ready: what is refused, what is caught later, and that a seed is a model."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from tests.models.factory import QUIET, copy_folder, edit_json, folder_entry, prepare_tiny

from civicbench.core.errors import (
    CivicbenchError,
    IntegrityError,
    InvalidInputError,
    PartAbsentError,
)
from civicbench.core.workspace import Workspace
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel, folder_digest, prepare_model, verify_prepared
from civicbench.models.rendering import load_renderer

WEIGHTS = "model.safetensors"


@pytest.fixture
def own(tiny: PreparedModel, tmp_path: Path) -> Path:
    """A good folder of a user's own."""
    return copy_folder(tiny, tmp_path / "own")


def prepare(folder: Path, workspace: Workspace, *, digest: str | None = None) -> PreparedModel:
    entry = folder_entry(folder, digest=digest)
    return prepare_model(entry, workspace=workspace, reporter=QUIET)


def refusal(folder: Path, workspace: Workspace) -> CivicbenchError:
    with pytest.raises(CivicbenchError) as caught:
        prepare(folder, workspace)
    assert not workspace.models.exists() or not list(workspace.models.iterdir())
    return caught.value


def test_a_good_folder_is_used_where_it_stands(
    own: Path, tiny: PreparedModel, workspace: Workspace
) -> None:
    prepared = prepare(own, workspace, digest=folder_digest(folder_entry(own)))
    assert prepared.folder == own
    assert prepared.record.weights_digest == tiny.record.weights_digest
    assert prepared.record.template_digest == tiny.record.template_digest
    assert load_base(prepared, precision="float32").num_parameters() == 94_528
    assert load_renderer(prepared).end_of_turn == "<|im_end|>"
    # Nothing is written into a folder that is not ours.
    assert {p.name for p in own.iterdir()} == set(tiny.record.files)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "model.gguf"])
def test_pickles_and_ggufs_are_refused_by_name(name: str, own: Path, workspace: Workspace) -> None:
    (own / WEIGHTS).unlink()

    class Spiteful:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (own / "code-was-run",))

    (own / name).write_bytes(pickle.dumps(Spiteful()))
    error = refusal(own, workspace)
    assert isinstance(error, InvalidInputError)
    assert "only safetensors weights are loaded" in error.problem
    assert error.got == name
    assert not (own / "code-was-run").exists()


def test_a_folder_without_weights_is_refused(own: Path, workspace: Workspace) -> None:
    (own / WEIGHTS).unlink()
    assert refusal(own, workspace).got == "no weights"


def test_a_folder_without_a_configuration_is_refused(own: Path, workspace: Workspace) -> None:
    (own / "config.json").unlink()
    error = refusal(own, workspace)
    assert isinstance(error, PartAbsentError)
    assert "no config.json" in error.problem


@pytest.mark.parametrize("text", ["{", "[]", "", '{"model_type": "llama"} {}'])
def test_a_configuration_that_is_no_json_object_is_refused(
    text: str, own: Path, workspace: Workspace
) -> None:
    (own / "config.json").write_text(text)
    error = refusal(own, workspace)
    assert isinstance(error, InvalidInputError)
    assert "config.json" in str(error)


def test_a_folder_without_a_tokenizer_is_refused(own: Path, workspace: Workspace) -> None:
    (own / "tokenizer.json").unlink()
    assert "no tokenizer" in refusal(own, workspace).problem


def test_another_architecture_is_refused_by_its_name(own: Path, workspace: Workspace) -> None:
    edit_json(own / "config.json", model_type="mixtral")
    error = refusal(own, workspace)
    assert isinstance(error, InvalidInputError)
    assert error.got == "mixtral"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_from_the_folder_is_never_run(name: str, own: Path, workspace: Workspace) -> None:
    edit_json(own / name, auto_map={"AutoModelForCausalLM": "modelling.Model"})
    (own / "modelling.py").write_text(f"open({str(own / 'code-was-run')!r}, 'w')\n")
    error = refusal(own, workspace)
    assert isinstance(error, InvalidInputError)
    assert error.got == "auto_map"
    assert name in str(error.where)
    assert not (own / "code-was-run").exists()


@pytest.mark.parametrize("kept_bytes", [0, 7, 100, -1])
def test_safetensors_that_are_cut_short_are_refused(
    kept_bytes: int, own: Path, workspace: Workspace
) -> None:
    whole = (own / WEIGHTS).read_bytes()
    (own / WEIGHTS).write_bytes(whole[:kept_bytes])
    error = refusal(own, workspace)
    assert isinstance(error, IntegrityError)
    assert WEIGHTS in str(error.where)


def test_a_missing_part_of_the_weights_is_refused(own: Path, workspace: Workspace) -> None:
    (own / WEIGHTS).rename(own / "model-00001-of-00002.safetensors")
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (own / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    error = refusal(own, workspace)
    assert isinstance(error, PartAbsentError)
    assert "model-00002-of-00002.safetensors" in str(error)


def test_a_folder_whose_digest_is_not_the_pinned_one_is_refused(
    own: Path, workspace: Workspace
) -> None:
    pinned = folder_digest(folder_entry(own))
    edit_json(own / "config.json", rms_norm_eps=1e-3)
    with pytest.raises(IntegrityError, match="not the folder that was pinned"):
        prepare(own, workspace, digest=pinned)


def test_an_unpinned_folder_that_changed_is_another_model(own: Path, workspace: Workspace) -> None:
    before = prepare(own, workspace).record
    edit_json(own / "config.json", rms_norm_eps=1e-3)
    after = prepare(own, workspace).record
    assert before.weights_digest != after.weights_digest
    assert before.tokenizer_digest == after.tokenizer_digest


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
def test_a_file_that_changes_after_preparation_is_caught(name: str, workspace: Workspace) -> None:
    prepared = prepare_tiny(workspace.home)
    path = prepared.folder / name
    changed = bytearray(path.read_bytes())
    changed[-2] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(IntegrityError) as caught:
        prepare_tiny(workspace.home)
    assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(IntegrityError):
        verify_prepared(prepared)


def test_a_seed_is_a_model(workspace: Workspace, tmp_path: Path) -> None:
    first = prepare_tiny(workspace.home, seed=7).record
    again = prepare_tiny(tmp_path / "elsewhere", seed=7).record
    other = prepare_tiny(workspace.home, seed=8).record
    assert first.files == again.files
    assert first.weights_digest != other.weights_digest
    assert first.tokenizer_digest == other.tokenizer_digest


def test_making_a_random_model_leaves_everybody_elses_chance_alone(workspace: Workspace) -> None:
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    prepare_tiny(workspace.home, seed=3)
    assert torch.equal(torch.rand(4), expected)


def test_no_machine_path_stands_in_a_prepared_models_files(tiny: PreparedModel) -> None:
    for path in tiny.folder.iterdir():
        if path.suffix != ".safetensors":
            assert str(tiny.folder.parent) not in path.read_text()


def test_a_folder_without_any_chat_template_is_refused(own: Path, workspace: Workspace) -> None:
    (own / "chat_template.jinja").unlink(missing_ok=True)
    edit_json(own / "tokenizer_config.json", chat_template=None)
    entry = folder_entry(own).model_copy(update={"template": None})
    with pytest.raises(InvalidInputError, match="has no chat template") as caught:
        prepare_model(entry, workspace=workspace, reporter=QUIET)
    assert "template" in str(caught.value.remedy)
