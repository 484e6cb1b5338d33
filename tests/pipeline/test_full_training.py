"""Full fine-tuning the whole way: trained, scored, registered, documented and talked with."""

import json
from pathlib import Path

import pytest
from tests.pipeline.runner import run, run_smoke

FULL = ("training.use=full", "training.rank=null", "training.alpha=null",
        "training.learning_rate=1.0e-3")  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the smoke recipe was run with every weight trained."""
    folder = tmp_path_factory.mktemp("home")
    run_smoke(folder, *FULL)
    return folder


def test_the_version_keeps_a_whole_model_and_no_adapter(home: Path) -> None:
    shown = json.loads(run(home, "registry", "show", "smoke", "--json").stdout)
    paths = {file["path"] for file in shown["artefacts"]}
    assert {"model/model.safetensors", "model/config.json", "model/provenance.json"} <= paths
    assert not any("adapter" in path for path in paths)


def test_the_scores_are_of_another_model_than_the_base(home: Path) -> None:
    found = json.loads(run(home, "scores", "list", "--json").stdout)
    by_role = {entry["result"]["model"]: entry["result"] for entry in found}
    assert by_role["tuned"]["adapter_digest"] is not None
    assert by_role["base"]["adapter_digest"] is None
    texts = [
        (Path(entry["folder"]) / "items.jsonl").read_text()
        for entry in found
        if entry["result"]["model"] in ("base", "tuned")
    ]
    assert len(texts) == len(set(texts)) == 2


def test_the_card_says_that_every_weight_was_trained(home: Path) -> None:
    [card] = (home / "cards").glob("*/card.md")
    text = card.read_text()
    assert "base_model_relation: finetune" in text
    assert "library_name: transformers" in text
    assert "every weight: " in text
    assert "full fine-tuning" in text
    assert "adapter" not in text.lower()


def test_one_can_talk_with_it(home: Path) -> None:
    done = run(home, "chat", "smoke", "--max-new-tokens", "4")
    assert done.returncode == 0, done.stderr


def test_it_is_scored_beside_an_adapter(home: Path) -> None:
    done = run(home, "evaluate", "smoke", "--also", "smoke:1")
    assert done.returncode == 0, done.stderr
    assert "suite smoke, tuned model" in done.stderr


def test_vllm_is_refused_before_work(home: Path) -> None:
    done = run(home, "run", "smoke", *FULL, "evaluation_engine=vllm")
    assert done.returncode == 2
    assert "full training makes a model of its own" in done.stderr
