from pathlib import Path

import pytest

from civicbench.core.content import list_content, shipped_content_root
from civicbench.core.digests import digest_files
from civicbench.core.workspace import Workspace
from civicbench.evaluation.public.settings import PublicItems
from civicbench.evaluation.suites import list_suites
from civicbench.models.catalogue import list_model_entries
from civicbench.pipeline.planning.making import plan_recipe
from civicbench.recipes.loading import list_recipes, load_recipe

# Catalogue datasets that wait for a recipe.
_WITHOUT_A_RECIPE = {"planning-conditions", "translate-cy"}
_SHIPPED = sorted(list_recipes())


def test_the_recipes_that_are_promised_are_there() -> None:
    assert set(_SHIPPED) >= {
        "smoke",
        "enquiry-triage",
        "enquiry-triage-llama-3.2-1b",
        "enquiry-triage-llama-3.1-8b",
        "enquiry-triage-llama-3.3-70b",
    }


@pytest.mark.parametrize("name", _SHIPPED)
def test_a_shipped_recipe_plans_without_weights_and_changes_nothing(
    name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    content = digest_files(shipped_content_root() / "recipes")
    recipe = load_recipe(name)
    plan = plan_recipe(recipe, workspace=Workspace.locate())
    assert not home.exists()
    assert list(work.iterdir()) == []
    assert digest_files(shipped_content_root() / "recipes") == content

    assert [stage for stage in plan.stages if stage.done] == []
    assert len(plan.stages) == 3 + len(recipe.mixed) + 2 * len(recipe.suites)
    assert plan.splits["train"] > 0
    assert plan.tokens.too_long == 0
    assert plan.steps.steps > 0
    assert 0 < plan.trainable_parameters < plan.parameters
    assert plan.memory.fits, plan.memory
    assert all(source.licence for source in plan.sources)
    assert plan.rules
    assert (plan.time.training_s is None) == (recipe.settings.hardware is not None)


@pytest.mark.parametrize("name", _SHIPPED)
def test_a_derivative_of_llama_is_named_and_marked_so(name: str) -> None:
    recipe = load_recipe(name)
    is_llama = recipe.model.name.startswith("llama")
    assert recipe.registered_name.startswith("Llama") == is_llama
    own = load_recipe(name, overrides=["registered_name=triage"])
    assert own.registered_name == ("Llama-triage" if is_llama else "triage")


def test_every_llama_of_the_catalogue_asks_for_its_name() -> None:
    entries = [entry for entry in list_model_entries() if entry.name.startswith("llama")]
    assert len(entries) >= 4
    for entry in entries:
        assert entry.licence.name_prefix == "Llama"
        assert entry.licence.display == "Built with Llama"


# Public suites are there to be named in a recipe: evaluation/README.md lists them.
_PUBLIC = {s.settings.name for s in list_suites() if isinstance(s.settings.items, PublicItems)}


def test_every_part_that_is_shipped_is_used_or_listed() -> None:
    recipes = [load_recipe(name) for name in _SHIPPED]
    for kind, used in (
        # `release` is there to be copied: docs/gates.md.
        ("configs/gates/{name}.yaml", {recipe.gate.name for recipe in recipes} | {"release"}),
        (
            "datasets/{name}/dataset.yaml",
            {recipe.settings.dataset for recipe in recipes}
            | {mixed.dataset for recipe in recipes for mixed in recipe.settings.mixing}
            | _WITHOUT_A_RECIPE,
        ),
        (
            "evaluation/{name}/suite.yaml",
            {s for r in recipes for s in r.settings.evaluation} | _PUBLIC,
        ),
    ):
        assert set(list_content(kind)) == used
    # Methods that no recipe uses are there to be chosen: training/README.md lists them.
    methods = {recipe.settings.training.use for recipe in recipes}
    assert methods <= set(list_content("training/{name}.yaml"))
