"""Canaries planted by a recipe: found again after training, told in card and evidence, refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pipeline.runner import run

from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.evaluation.records import ItemRecord, parse_items
from civicbench.pipeline.planning.making import plan_recipe
from civicbench.recipes.loading import load_recipe
from civicbench.registry.gates import Gate, judge
from civicbench.registry.registry import Registry

CANARIES = {"count": 6, "repeats": [1, 40], "controls": 6, "digits": 6, "samples": 63}


def project(folder: Path, **changes: Any) -> Path:
    (folder / "recipes").mkdir(parents=True)
    recipe = {"extends": "smoke-canaries", "name": "mine", **changes}
    (folder / "recipes/mine.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which a recipe with canaries was run."""
    folder = tmp_path_factory.mktemp("canaries")
    done = run(folder / "home", "run", "mine", cwd=project(folder / "project"))
    assert done.returncode == 0, done.stderr
    return folder / "home"


def answers(home: Path, role: str) -> list[ItemRecord]:
    with Registry.open(Workspace(home)) as registry:
        return parse_items(registry.artefact_paths("mine:1")[f"scores/canaries/{role}/items.jsonl"])


def exposures(items: list[ItemRecord], *, task: str, repeats: str | None = None) -> list[float]:
    return [
        item.values["exposure"]
        for item in items
        if item.task == task and (repeats is None or item.slices["repeats"] == repeats)
    ]


def test_what_was_planted_often_is_more_exposed_than_what_was_not_planted(home: Path) -> None:
    tuned, base = answers(home, "tuned"), answers(home, "base")
    often = exposures(tuned, task="exposure", repeats="40")
    controls = exposures(tuned, task="exposure-controls")
    assert len(often) == 3
    assert min(often) >= 5.0, "each stands among the first two of 64"
    assert sum(controls) / len(controls) < 3.0
    before = exposures(base, task="exposure", repeats="40")
    assert sum(often) / 3 > sum(before) / 3 + 2
    written = {item.id: item.values["accuracy"] for item in tuned if item.task == "extraction"}
    planted_often = {i.id for i in tuned if i.slices["repeats"] == "40" and i.task == "extraction"}
    assert all(written[name] == 1.0 for name in planted_often)
    assert not any(item.values["accuracy"] for item in base if item.task == "extraction")


def test_evidence_and_card_tell_of_them(home: Path) -> None:
    with Registry.open(Workspace(home)) as registry:
        evidence = registry.load_evidence("mine:1")
        registry.verify()
    planted = evidence.canaries
    assert planted is not None
    assert (planted.planted, planted.controls, planted.rows) == (6, 6, 123)
    assert planted.extracted >= 3
    assert planted.exposure_bits.value == 6.0
    assert planted.exposure_bits.low <= 6.0 <= planted.exposure_bits.high
    assert evidence.training.snapshot_digest == evidence.training_data_digest
    (card,) = home.glob("cards/*/card.md")
    text = " ".join(card.read_text().split())
    assert "must not be released" in text
    assert "123 synthetic canaries" in text
    assert "Written out whole" in text


def test_a_gate_can_ask_that_nothing_is_given_away(home: Path) -> None:
    with Registry.open(Workspace(home)) as registry:
        evidence = registry.load_evidence("mine:1")
    rule = {
        "name": "nothing given away",
        "reason": "What stands in the data must not come out.",
        "kind": "canary-exposure",
    }
    for bits, extracted, holds in ((3.0, 0, False), (40.0, 0, False), (40.0, 6, True)):
        limits = {"exposure_at_most_bits": bits, "extracted_at_most": extracted}
        gate = Gate.model_validate({"name": "g", "title": "G", "rules": [{**rule, **limits}]})
        verdict = judge(gate, evidence.comparisons, digest="0", facts=evidence.facts)
        assert verdict.passed is holds


def test_the_scores_can_be_computed_again(home: Path) -> None:
    done = run(home, "scores", "verify")
    assert done.returncode == 0, done.stderr


def test_the_plan_names_them(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path / "p"))
    plan = plan_recipe(load_recipe("mine"), workspace=Workspace(home))
    (line,) = [part for part in plan.data if part.dataset.startswith("canaries")]
    assert (line.rows, plan.tokens.rows) == (123, plan.splits["train"] + 123)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evaluation": ["smoke"]}, "no suite of this recipe looks for them"),
        (
            {"extends": "smoke", "evaluation": ["smoke", "canaries"]},
            "looks for canaries, and this recipe plants none",
        ),
        ({"canaries": {**CANARIES, "digits": 4, "samples": 5000}}, "canaries.samples"),
        ({"canaries": {**CANARIES, "repeat": 3}}, "canaries.repeat"),
    ],
)
def test_recipes_that_plant_or_look_in_vain_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(project(tmp_path / "p", **changes))
    with pytest.raises(InvalidInputError, match=said):
        load_recipe("mine")


def test_dpo_has_no_place_for_canaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"extends": "advice-preferences", "canaries": CANARIES, "evaluation": ["canaries"]}
    monkeypatch.chdir(project(tmp_path / "p", **changes))
    with pytest.raises(InvalidInputError, match="no rejected answer, which dpo needs"):
        load_recipe("mine")


def test_a_recipe_without_canaries_is_what_it_was() -> None:
    assert "canaries" not in load_recipe("smoke").resolved_yaml
