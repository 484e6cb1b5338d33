"""An exported folder is the trained model: for plain transformers, and as a new recipe's base."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import Command
from transformers import AutoModelForCausalLM, AutoTokenizer

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models import merging
from civicbench.models.catalogue import load_model_entry
from civicbench.models.prepare import prepare_model
from civicbench.models.publishing import describe_duties
from civicbench.models.rendering import Message, load_renderer
from civicbench.models.trained import load_trained
from civicbench.registry.registry import Registry

QUIET = Reporter(live=False)
FILES = {
    "LICENCE-DUTIES.txt", "chat_template.jinja", "config.json", "generation_config.json",
    "model.safetensors", "provenance.json", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


@pytest.fixture(name="exported")
def _exported(civicbench: Command, smoke_home: Path, tmp_path: Path) -> Path:
    done = civicbench("export", "smoke", "--to", str(tmp_path / "model"), home=smoke_home)
    assert done.code == 0, done.err
    return tmp_path / "model"


def test_plain_transformers_loads_it_and_answers_as_base_and_adapter(
    exported: Path, smoke_home: Path, tmp_path: Path
) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    prepared = prepare_model(
        load_model_entry("tiny-random"), workspace=Workspace(smoke_home), reporter=QUIET
    )
    with Registry.open(Workspace(smoke_home)) as registry:
        version = registry.lay_out("smoke", folder=tmp_path / "version")
    together = load_trained(prepared, version / "adapter", precision="float32")
    plain = AutoModelForCausalLM.from_pretrained(exported, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(exported, local_files_only=True)
    talk = [{"role": "user", "content": "What is the colour of grass?"}]
    text = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    ours = load_renderer(prepared)
    assert text == ours.render_prompt([Message(**talk[0])])
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    with torch.inference_mode():
        apart = (plain(ids).logits - together(ids).logits).abs().max()
    assert apart < 1e-4
    assert plain.dtype == torch.float32
    assert ours.end_of_turn_id in plain.generation_config.eos_token_id


def test_its_provenance_names_version_base_and_parity_and_no_machine(
    exported: Path, smoke_home: Path
) -> None:
    said = json.loads((exported / "provenance.json").read_text())
    with Registry.open(Workspace(smoke_home)) as registry:
        evidence = registry.load_evidence("smoke")
    assert said["version"] == evidence.digest
    assert said["trained_digest"] == evidence.training.adapter_digest
    assert said["parity"]["largest_nats"] <= said["parity"]["tolerance_nats"] == 1e-4
    assert set(said["files"]) == FILES - {"provenance.json"}
    for path in exported.iterdir():
        content = path.read_bytes()
        assert str(smoke_home).encode() not in content
        assert str(exported.parent).encode() not in content


def test_it_is_the_base_of_a_new_recipe(
    exported: Path,
    civicbench: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = tmp_path / "project"
    for folder in ("recipes", "configs/models"):
        (project / folder).mkdir(parents=True)
    entry = load_model_entry("tiny-random").model_dump(mode="json", exclude={"source"})
    own: dict[str, Any] = {
        **entry, "name": "own", "source": {"kind": "folder", "path": str(exported)},
    }  # fmt: skip
    (project / "configs/models/own.yaml").write_text(json.dumps(own))
    (project / "recipes/next.yaml").write_text("extends: smoke\nname: next\nmodel: own\n")
    monkeypatch.chdir(project)
    done = civicbench("run", "next", "--json", home=tmp_path / "home")
    assert done.code == 0, done.err
    assert done.json["version"]["model"] == "next"


def test_a_recipes_run_is_exported_in_the_asked_format(
    civicbench: Command,
    smoke_home: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(smoke_home, tmp_path / "home")
    shutil.rmtree(tmp_path / "home/store")
    (tmp_path / "home/registry.db").unlink()
    done = civicbench(
        "export", "smoke", "--to", str(tmp_path / "half"), "--precision", "bfloat16", "--json",
        home=tmp_path / "home",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["precision"] == "bfloat16"
    assert 1e-6 < done.json["parity"]["largest_nats_a_token"] < 5e-2
    assert json.loads((tmp_path / "half/provenance.json").read_text())["version"] is None
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "half", local_files_only=True)
    assert model.dtype == torch.bfloat16


def test_nothing_is_left_behind_where_the_gate_fails(
    civicbench: Command,
    smoke_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(merging.TOLERANCE_NATS, "bfloat16", 1e-7)
    target = tmp_path / "deep" / "model"
    done = civicbench(
        "export", "smoke", "--to", str(target), "--precision", "bfloat16", home=smoke_home
    )
    assert done.code == 1
    assert "nats a token" in done.err
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["smoke", "--to", "here"], 2, "stands already"),
        (["smoke", "training.rank=2", "--to", "new"], 2, "cannot be changed"),
        (["nothing", "--to", "new"], 2, "neither a registered version nor a recipe"),
        (["enquiry-triage", "--to", "new"], 5, ""),
    ],
)
def test_what_cannot_be_exported_is_refused(
    arguments: list[str], code: int, says: str, civicbench: Command,
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    done = civicbench("export", *arguments, home=smoke_home)
    assert done.code == code, done.err
    assert says in done.err
    assert not (tmp_path / "new").exists()


def test_a_licences_duties_and_notice_are_passed_on() -> None:
    entry = load_model_entry("llama-3.2-1b-instruct")
    text = describe_duties(entry.licence, base=entry.title)
    for words in (*entry.licence.duties, "Built with Llama", entry.licence.url, "the file Notice"):
        assert words in text
