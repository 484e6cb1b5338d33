from pathlib import Path

import pytest
import yaml
from tests.recipes.conftest import WriteRecipe

from civicbench.core.errors import InvalidInputError
from civicbench.recipes.loading import load_recipe
from civicbench.recipes.resolving import resolve_mapping
from civicbench.training.methods import load_method


def test_a_child_changes_single_settings_of_its_parent(write: WriteRecipe) -> None:
    write("mine", "extends: smoke\nname: mine\ntraining: {rank: 8}\nevaluation: [smoke]\n")
    parent, recipe = load_recipe("smoke"), load_recipe("mine")
    assert recipe.training.rank == 8
    assert recipe.training.alpha == parent.training.alpha
    assert recipe.settings.purpose == parent.settings.purpose
    grandchild = "extends: mine\nname: grandchild\ntraining: {alpha: 1}\n"
    write("grandchild", grandchild)
    assert load_recipe("grandchild").training == recipe.training.model_copy(update={"alpha": 1.0})


def test_a_list_is_replaced_and_never_joined(write: WriteRecipe) -> None:
    write("mine", "extends: smoke\nname: mine\nintended_uses: [One.]\n")
    assert load_recipe("mine").settings.intended_uses == ("One.",)


def test_a_sibling_is_extended_before_a_recipe_of_the_same_name_elsewhere(
    tmp_path: Path, project: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "enquiry-triage.yaml").write_text(
        "extends: smoke\nname: enquiry-triage\npurpose: A sibling.\n"
    )
    (elsewhere / "mine.yaml").write_text("extends: enquiry-triage\nname: mine\n")
    assert load_recipe(str(elsewhere / "mine.yaml")).settings.purpose == "A sibling."


def test_settings_of_another_method_are_not_inherited(write: WriteRecipe) -> None:
    write("parent", "extends: smoke\nname: parent\ntraining: {learning_rate: 0.9, rank: 3}\n")
    write("mine", "extends: parent\nname: mine\ntraining: {use: qlora, rank: 5}\n")
    own = load_method("qlora").settings.model_copy(update={"rank": 5})
    assert load_recipe("mine").training == own


def test_the_method_fills_in_what_a_recipe_does_not_say(write: WriteRecipe) -> None:
    write("mine", "extends: smoke\nname: mine\ntraining: {use: lora}\n")
    assert load_recipe("mine").training == load_method("lora").settings


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_recipes_is_refused_with_its_names(write: WriteRecipe, length: int) -> None:
    names = [f"r{place}" for place in range(length)]
    for name, parent in zip(names, [*names[1:], names[0]], strict=True):
        write(name, f"extends: {parent}\nname: {name}\n")
    with pytest.raises(InvalidInputError, match="in a circle") as caught:
        load_recipe("r0")
    assert caught.value.got == " -> ".join([*names, "r0"])


@pytest.mark.parametrize(
    ("parent", "says"),
    [
        ("[smoke]", "extends must be a recipe's name"),
        ("3", "extends must be a recipe's name"),
        ("smoky", "did you mean smoke?"),
    ],
)
def test_a_parent_that_is_none_is_refused(write: WriteRecipe, parent: str, says: str) -> None:
    write("mine", f"extends: {parent}\nname: mine\n")
    with pytest.raises(InvalidInputError) as caught:
        load_recipe("mine")
    assert says in str(caught.value)


def test_overrides_win_over_the_recipe_its_parents_and_the_method(write: WriteRecipe) -> None:
    write("mine", "extends: smoke\nname: mine\ntraining: {rank: 8}\n")
    overrides = [
        "training.rank=2",
        "training.rank=16",  # the last one counts
        "training.learning_rate=1.0e-3",
        "evaluation=[smoke]",
        "hardware.devices=1",
        "hardware.memory_gb=24",
        "purpose='a = b: c'",
    ]
    recipe = load_recipe("mine", overrides=overrides)
    assert (recipe.training.rank, recipe.training.learning_rate) == (16, 1.0e-3)
    assert recipe.settings.hardware is not None
    assert recipe.settings.hardware.memory_gb == 24
    assert recipe.settings.purpose == "a = b: c"
    assert recipe.settings.evaluation == ("smoke",)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.rank", "an override must read key.path=value"),
        ("=4", "an override must read key.path=value"),
        ("training..rank=4", "an override must read key.path=value"),
        (".rank=4", "an override must read key.path=value"),
        ("purpose.deep=4", "purpose is not a mapping, so nothing can be set inside it"),
        ("training.rank.deep=4", "training.rank is not a mapping"),
        ("evaluation.0=smoke", "evaluation is not a mapping"),
        ("training.rank=[", "command line: training.rank: is not a valid value"),
        ("training.rank=", "lora needs rank"),
        ("training.rnk=4", "training.rnk: unknown key; did you mean rank?"),
        ("trainin.rank=4", "trainin: unknown key; did you mean training?"),
        ("model=tiny", "model: there is no 'tiny' in configs/models/"),
        ("extends=enquiry-triage", "extends: unknown key"),
    ],
)
def test_an_override_with_a_mistake_is_refused(override: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_recipe("smoke", overrides=[override])
    assert says in str(caught.value)


def test_an_override_changes_no_file(write: WriteRecipe) -> None:
    path = write("mine", "extends: smoke\nname: mine\n")
    before = path.read_bytes()
    mapping = resolve_mapping(path, overrides=["training.rank=64"])
    assert mapping["training"]["rank"] == 64
    assert path.read_bytes() == before
    assert yaml.safe_load(path.read_text()) == {"extends": "smoke", "name": "mine"}
