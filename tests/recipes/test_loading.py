from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from tests.recipes.conftest import WriteRecipe

from civicbench.core.content import shipped_content_root
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.recipes.loading import list_recipes, load_recipe

_SMOKE = yaml.safe_load((shipped_content_root() / "recipes" / "smoke.yaml").read_text())


def refused(path: Path | str, *overrides: str) -> str:
    with pytest.raises(InvalidInputError) as caught:
        load_recipe(str(path), overrides=overrides)
    return str(caught.value)


def child(name: str, **changes: object) -> str:
    return str(yaml.safe_dump({"extends": "smoke", "name": name, **changes}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"purpos": "x"}, "purpos: unknown key; did you mean purpose?"),
        ({"training": {"epochz": 1}}, "training.epochz: unknown key; did you mean epochs?"),
        ({"hardware": {"devices": 1, "memory_gb": 8, "device": 1}}, "did you mean devices?"),
        ({"training": {"epochs": "many"}}, "training.epochs: input should be a valid number"),
        ({"training": {"epochs": 0}}, "training.epochs: input should be greater than 0; got 0"),
        ({"training": {"rank": 4.5}}, "training.rank: input should be a valid integer"),
        ({"training": "lora"}, "training: input should be a valid dictionary"),
        ({"training": {"use": ["lora"]}}, "training.use: input should be a valid string"),
        ({"purpose": ["a"]}, "purpose: input should be a valid string; got ['a']"),
        ({"evaluation": "smoke"}, "evaluation: input should be a valid tuple; got 'smoke'"),
        ({"evaluation": []}, "evaluation: tuple should have at least 1 item"),
        ({"evaluation": ["smoke", "smoke"]}, "evaluation: named twice: smoke"),
        ({"evaluation": ["smoke", {"a": 1}]}, "evaluation.1: input should be a valid string"),
        ({"model": None}, "model: input should be a valid string; got None"),
        ({"hardware": {"devices": 1}}, "hardware.memory_gb: missing"),
        (
            {"model": "tiny-randon"},
            "no 'tiny-randon' in configs/models/; did you mean tiny-random?",
        ),
        ({"dataset": "smok"}, "dataset: there is no 'smok' in datasets/; did you mean smoke?"),
        ({"evaluation": ["smoke", "smok"]}, "evaluation.1: there is no 'smok' in evaluation/"),
        ({"gate": "smokey"}, "gate: there is no 'smokey' in configs/gates/; did you mean smoke?"),
        ({"training": {"use": "lorra"}}, "no 'lorra' in training/; did you mean lora?"),
        ({"trackers": ["wand"]}, "no 'wand' in configs/trackers/; did you mean wandb?"),
        ({"training": {"use": "qlora", "precision": "float32"}}, "set precision to bfloat16"),
        ({"training": {"max_length_tokens": 10**9}}, "longer than the"),
        ({"gate": "advice"}, "gate advice judges enquiry-triage / area / accuracy, which no suite"),
        ({"dataset": "enquiry-triage"}, "suite smoke asks rows of dataset smoke, and this recipe"),
    ],
)
def test_a_mistake_is_refused_with_its_path_and_a_way_out(
    write: WriteRecipe, changes: dict[str, object], says: str
) -> None:
    path = write("mine", child("mine", **changes))
    message = refused(path)
    assert says in message
    assert message.startswith(f"{path}: ")
    # One mistake is told as one: nothing that follows from it is listed as well.
    assert "1 mistake" in message or "gate: rule" in message


def test_several_mistakes_are_told_at_once(write: WriteRecipe) -> None:
    path = write(
        "mine",
        child("mine", model="nope", gate="smok", trainng=1, training={"rank": "x", "epochs": -1}),
    )
    message = refused(path)
    assert "5 mistakes" in message
    for start in ("model:", "gate:", "trainng:", "training.rank:", "training.epochs:"):
        assert f"\n  - {start}" in message


def test_a_recipe_without_its_keys_lists_what_is_missing(write: WriteRecipe) -> None:
    lines = refused(write("mine", "name: mine\n")).splitlines()[1:]
    required = set(_SMOKE) - {"name", "sectors"}
    assert set(lines) == {f"  - {key}: missing" for key in required}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"- smoke\n", "must be a mapping of keys to values"),
        (b"name: caf\xe9\n", "is not UTF-8 text"),
        (b"name: mine\nname: mine\n", "the key 'name' stands twice, line 2"),
        (b"a: &a [x]\nb: *a\n", "aliases (*a) are not read here, line 2"),
        (b"name: [\n", "is not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(write: WriteRecipe, content: bytes, says: str) -> None:
    path = write("mine", "")
    path.write_bytes(content)
    message = refused(path)
    assert says in message
    assert message.startswith(str(path))


def test_a_recipe_is_named_as_its_file(write: WriteRecipe) -> None:
    path = write("mine", child("other"))
    message = refused(path)
    assert "name must equal the file's name" in message
    assert "write name: mine" in message


def test_an_absent_file_and_an_unknown_name(project: Path) -> None:
    with pytest.raises(PartAbsentError, match="no such file"):
        load_recipe("recipes/none.yaml")
    assert "did you mean enquiry-triage?" in refused("enquiry-triag")


def test_a_part_with_a_mistake_is_named_by_its_own_file(project: Path, write: WriteRecipe) -> None:
    gate = project / "configs" / "gates" / "own.yaml"
    gate.parent.mkdir(parents=True)
    gate.write_text("name: own\ntitle: Own\nruls: []\n")
    message = refused(write("mine", child("mine", gate="own")))
    assert message.startswith(f"{gate}: 2 mistakes")
    assert "ruls: unknown key; did you mean rules?" in message


def test_the_project_comes_before_what_is_shipped(project: Path, write: WriteRecipe) -> None:
    write("smoke", yaml.safe_dump({**_SMOKE, "purpose": "My own."}))
    assert load_recipe("smoke").settings.purpose == "My own."
    assert list_recipes()["smoke"] == project / "recipes" / "smoke.yaml"
    assert "enquiry-triage" in list_recipes()


def test_a_loaded_recipe_is_frozen_and_named_by_its_settings(write: WriteRecipe) -> None:
    recipe = load_recipe("smoke")
    with pytest.raises(ValidationError, match="frozen"):
        recipe.settings.purpose = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        recipe.settings.training.rank = 8  # type: ignore[misc]
    assert load_recipe("smoke").digest == recipe.digest
    same = load_recipe("smoke", overrides=["training.rank=4"])
    other = load_recipe("smoke", overrides=["training.rank=8"])
    assert recipe.digest == same.digest != other.digest
    assert other.command == "civicbench run smoke training.rank=8"


def test_the_resolved_recipe_is_a_recipe_itself(write: WriteRecipe) -> None:
    recipe = load_recipe("smoke", overrides=["training.rank=8", "name=smoke"])
    path = write("smoke", recipe.resolved_yaml)
    assert load_recipe(str(path)).digest == recipe.digest


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(PartAbsentError, match="is a folder"):
        load_recipe(str(tmp_path / "x.yaml"))
