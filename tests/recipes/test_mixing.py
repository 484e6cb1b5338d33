"""Which datasets a recipe may mix in and train on: told when it is loaded."""

from typing import Any

import pytest
import yaml
from tests.recipes.conftest import WriteRecipe

from civicbench.core.errors import InvalidInputError
from civicbench.recipes.loading import load_recipe


def child(parent: str, **changes: Any) -> str:
    return str(yaml.safe_dump({"extends": parent, "name": "mine", **changes}))


def mixed(*parts: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"dataset": name, "share": share} for name, share in parts]


def test_a_recipe_knows_the_datasets_that_it_mixes_in(write: WriteRecipe) -> None:
    path = write("mine", child("enquiry-triage", mixing=mixed(("safe-conduct", 0.2))))
    recipe = load_recipe(str(path))
    assert [dataset.settings.name for dataset in recipe.mixed] == ["safe-conduct"]
    assert recipe.digest != load_recipe("enquiry-triage").digest


@pytest.mark.parametrize(
    ("mixing", "says"),
    [
        (mixed(("safe-conduct", 0.0)), "mixing.0.share: input should be greater than 0"),
        (mixed(("safe-conduct", 1.0)), "mixing.0.share: input should be less than 1"),
        (mixed(("safe-conduct", 0.6), ("translate-cy", 0.4)), "the shares add up to 1"),
        (mixed(("safe-conduct", 0.1), ("safe-conduct", 0.1)), "named twice: safe-conduct"),
        (mixed(("safe-conductt", 0.1)), "mixing.0.dataset: there is no 'safe-conductt'"),
        (mixed(("enquiry-triage", 0.1)), "enquiry-triage is the recipe's own dataset"),
        (mixed(("smoke", 0.1)), "mixing.0.dataset: smoke has no step decontaminate"),
        (mixed(("advice-preferences", 0.1)), "sft would pass over every rejected answer"),
    ],
)
def test_a_mix_that_cannot_be_meant_is_refused_with_its_place(
    write: WriteRecipe, mixing: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_recipe(str(write("mine", child("enquiry-triage", mixing=mixing))))
    assert says in str(caught.value)
    assert "1 mistake" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset": "safe-conduct"}, "dpo needs a rejected answer beside each chosen one, and "
         "safe-conduct has none"),
        ({"mixing": mixed(("safe-conduct", 0.2))}, "mixing.0.dataset: dpo needs a rejected"),
        ({"training": {"use": "lora"}}, "advice-preferences holds preferences, and sft would pass"),
    ],
)  # fmt: skip
def test_objective_and_dataset_must_fit_in_both_directions(
    write: WriteRecipe, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_recipe(str(write("mine", child("advice-preferences", **changes))))
    assert says in str(caught.value)
    assert load_recipe("advice-preferences").training.objective == "dpo"
