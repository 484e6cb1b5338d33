"""Small suites and item records for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.models.factory import QUIET
from transformers import PreTrainedModel

from civicbench.evaluation.items import Item, read_file_items
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.scorer import SharedPrefixLM
from civicbench.evaluation.scoring import Subject, read_result, score
from civicbench.evaluation.settings import SuiteSettings
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer

CONTEXT_TOKENS = 2048
COLOURS = ("red", "dark green", "blue")


def make_suite(*tasks: Mapping[str, Any], **changes: Any) -> SuiteSettings:
    """Return a suite with a choice task and a written one, or with the given tasks."""
    suite: dict[str, Any] = {
        "name": "colours",
        "title": "Colours",
        "kind": "domain",
        "measures": "Colours.",
        "does_not_measure": "Shapes.",
        "licence": "CC0-1.0",
        "items": {"file": "items.jsonl"},
        "cluster": "thing",
        "slices": ["size"],
        "tasks": list(tasks) or [CHOICE, WRITTEN],
    }
    return SuiteSettings.model_validate({**suite, **changes})


CHOICE: dict[str, Any] = {
    "type": "choice",
    "name": "picked",
    "title": "Picked colour",
    "choices": list(COLOURS),
    "choice_text": "Colour: {choice}",
    "answer": "colour",
    "macro_f1": True,
}
WRITTEN: dict[str, Any] = {
    "type": "fields",
    "name": "written",
    "title": "Written colour",
    "lines": ["Colour"],
    "fields": {"Colour": "colour"},
    "max_new_tokens": 6,
}


def make_line(number: int, **changes: Any) -> dict[str, Any]:
    """Return an item's line with some of its fields changed."""
    line = {
        "id": f"item-{number}",
        "prompt": f"What colour is thing {number}?" + " Please." * (number % 4),
        "colour": COLOURS[number % 3],
        "thing": f"thing-{number // 2}",
        "size": "large" if number % 5 else "small",
    }
    return {**line, **changes}


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def make_items(folder: Path, *, count: int = 12) -> list[Item]:
    path = write_lines(folder / "items.jsonl", [make_line(n) for n in range(count)])
    return read_file_items(path, system=None)


def language_model(
    model: PreTrainedModel, renderer: ChatRenderer, *, context: int = CONTEXT_TOKENS
) -> SharedPrefixLM:
    return SharedPrefixLM(model, renderer=renderer, context_length_tokens=context, reporter=QUIET)


def make_subject(prepared: PreparedModel, *, adapter: str | None = None) -> Subject:
    return Subject(
        role="base" if adapter is None else "tuned",
        base=prepared.record,
        adapter_digest=adapter,
        precision="float32",
    )


def score_suite(
    suite: SuiteSettings,
    items: Sequence[Item],
    model: PreTrainedModel,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    folder: Path,
    *,
    adapter: str | None = None,
) -> SuiteResult:
    """Score a model on a suite and return the result that was written."""
    folder.mkdir(parents=True, exist_ok=True)
    score(
        suite,
        items,
        make_subject(prepared, adapter=adapter),
        folder=folder,
        renderer=renderer,
        language_model=lambda: language_model(model, renderer),
    )
    return read_result(folder)
