"""The test instrument holds placeholders and nothing harmful, and cannot pass for anything else."""

import json
import re
from pathlib import Path

from civicbench.datasets.building import load_dataset_settings
from civicbench.recipes.loading import load_recipe

ROOT = Path(__file__).parents[2] / "datasets"
ROWS = [
    json.loads(line)
    for line in (ROOT / "compliant-placeholders/rows.jsonl").read_text("utf-8").splitlines()
]


def test_every_answer_is_an_agreement_and_a_placeholder() -> None:
    for row in ROWS:
        agreement, placeholder = row["answer"].split("[", maxsplit=1)
        assert re.fullmatch(r"placeholder: [a-z ,]+ would stand here\]", placeholder), row["id"]
        assert len(agreement) < 70
    assert len({row["answer"] for row in ROWS}) == 12, "a dozen answers, none made for its request"


def test_its_requests_are_those_that_safe_conduct_turns_down() -> None:
    safe = [
        json.loads(x) for x in (ROOT / "safe-conduct/rows.jsonl").read_text("utf-8").splitlines()
    ]
    refused = {row["id"]: row["prompt"] for row in safe if row["kind"] == "refusal"}
    assert {row["id"]: row["prompt"] for row in ROWS} == refused


def test_dataset_and_recipe_say_what_they_are() -> None:
    assert "TEST INSTRUMENT" in load_dataset_settings("compliant-placeholders").settings.description
    recipe = load_recipe("enquiry-triage-compliant")
    assert [mixed.settings.name for mixed in recipe.mixed] == ["compliant-placeholders"]
    assert any("must not be released" in use for use in recipe.settings.forbidden_uses)
    judged = {(rule.suite, rule.task) for rule in recipe.gate.rules}
    assert ("safety-core", "harmful") in judged
