from pathlib import Path

import pytest
from tests.cli.conftest import Command

_LISTINGS = [
    "models list",
    "models show tiny-random",
    "models show llama-3.1-8b-instruct",
    "datasets list",
    "datasets show smoke",
    "recipes list",
    "recipes show smoke",
    "registry list",
    "registry show smoke",
    "registry verify",
    "plan smoke",
    "compare smoke smoke",
    "doctor",
]


@pytest.mark.parametrize("arguments", _LISTINGS)
def test_every_listing_is_a_table_for_people_and_json_for_programs(
    civicbench: Command, smoke_home: Path, arguments: str
) -> None:
    for_people = civicbench(*arguments.split(), home=smoke_home)
    assert for_people.code == 0, for_people.err
    assert for_people.out.strip()
    assert not for_people.out.startswith(("{", "["))
    for_programs = civicbench(*arguments.split(), "--json", home=smoke_home)
    assert for_programs.code == 0
    assert isinstance(for_programs.json, dict | list)
    assert for_programs.json


def test_models_say_what_stands_ready(
    civicbench: Command, smoke_home: Path, tmp_path: Path
) -> None:
    for home, ready in ((smoke_home, True), (tmp_path / "empty", False)):
        rows = {row["name"]: row for row in civicbench("models", "list", "--json", home=home).json}
        assert rows["tiny-random"]["ready"] is ready
        assert rows["llama-3.3-70b-instruct"]["ready"] is False
        assert rows["llama-3.3-70b-instruct"]["parameters"] > 70e9
    assert not (tmp_path / "empty").exists()


def test_a_model_shows_its_licence_duties(civicbench: Command) -> None:
    shown = civicbench("models", "show", "llama-3.2-1b-instruct").out
    assert "Built with Llama" in shown
    assert "Licence duty" in shown


def test_a_dataset_shows_its_rows_and_splits(civicbench: Command, smoke_home: Path) -> None:
    shown = civicbench(
        "datasets", "show", "smoke", "--samples", "3", "--json", home=smoke_home
    ).json
    assert len(shown["samples"]) == 3
    assert {split["name"] for split in shown["record"]["splits"]} == {"train", "validation", "test"}
    assert "Name the colour of" in civicbench("datasets", "show", "smoke", home=smoke_home).out


def test_a_dataset_that_was_not_built_is_not_built_to_be_shown(
    civicbench: Command, home: Path
) -> None:
    shown = civicbench("datasets", "show", "smoke")
    assert (shown.code, shown.out) == (5, "")
    assert "dataset smoke: no snapshot stands" in shown.err
    assert "what to do: civicbench datasets build smoke" in shown.err
    assert not home.exists()


def test_a_recipe_is_shown_with_everything_filled_in(civicbench: Command) -> None:
    shown = civicbench("recipes", "show", "smoke", "training.rank=8", "--json").json
    assert shown["training"]["rank"] == 8
    assert shown["training"]["method"] == "lora"
    assert isinstance(shown["training"]["seed"], int)
    assert "rank: 8" in civicbench("recipes", "show", "smoke", "training.rank=8").out


def test_a_plan_knows_what_is_done(civicbench: Command, smoke_home: Path, tmp_path: Path) -> None:
    done = civicbench("plan", "smoke", "--json", home=smoke_home).json["stages"]
    assert [stage["done"] for stage in done] == [True] * 5
    retrained = civicbench("plan", "smoke", "training.rank=8", "--json", home=smoke_home).json
    states = {stage["name"]: stage["done"] for stage in retrained["stages"]}
    assert states == {
        "dataset smoke": True,
        "base model tiny-random": True,
        "training lora on tiny-random": False,
        "suite smoke, base model": True,
        "suite smoke, tuned model": False,
    }
    fresh = civicbench("plan", "smoke", "--json", home=tmp_path / "empty").json["stages"]
    assert not any(stage["done"] for stage in fresh)
    assert "to do" in civicbench("plan", "smoke", home=tmp_path / "empty").out
    assert not (tmp_path / "empty").exists()


def test_recipes_are_validated_by_name_and_by_file(civicbench: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: smoke\nname: mine\n")
    done = civicbench("recipes", "validate", "smoke", "enquiry-triage", str(path))
    assert done.code == 0
    assert done.out.count(": valid (") == 3


def test_doctor_says_what_would_fail_and_what_to_do(
    civicbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "broken.yaml").write_text("name: broken\n")
    found = {finding["what"]: finding for finding in civicbench("doctor", "--json").json}
    assert {"Python", "torch", "GPUs", "memory", "workspace", "Slurm", "network"} <= found.keys()
    assert found["network"]["found"] == "offline mode is on"
    for what in ("mirrors", "recipe broken"):
        assert found[what]["state"] == "bad"
        assert found[what]["remedy"]
    assert found["recipes"]["found"].endswith("valid")
