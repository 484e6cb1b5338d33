"""Small suites and item records for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.models.factory import QUIET
from transformers import PreTrainedModel

from civicbench.evaluation.items import Item, read_file_items
from civicbench.evaluation.prompt_proof import SystemTurns, system_turns_of
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.scorer.engines import LocalEngine
from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.responses import ResponseStore
from civicbench.evaluation.scorer.work import Batching
from civicbench.evaluation.scoring import (
    EngineName,
    Scores,
    Subject,
    read_result,
    score,
    write_scores,
)
from civicbench.evaluation.settings import SuiteSettings
from civicbench.models.loading import Precision
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
    model: PreTrainedModel,
    renderer: ChatRenderer,
    *,
    context: int = CONTEXT_TOKENS,
    responses: ResponseStore | None = None,
    batching: Batching | None = None,
) -> EngineLM:
    return EngineLM(
        LocalEngine(Reader(model), renderer),
        renderer=renderer,
        context_length_tokens=context,
        reporter=QUIET,
        responses=responses,
        batching=batching,
    )


def make_subject(
    prepared: PreparedModel,
    *,
    adapter: str | None = None,
    precision: Precision = "float32",
    engine: EngineName = "civicbench",
    system_turns: SystemTurns = frozenset({None}),
    **record: str,
) -> Subject:
    """Return a subject; named digests of its model record may be changed."""
    return Subject(
        role="base" if adapter is None else "tuned",
        base=prepared.record.model_copy(update=record),
        adapter_digest=adapter,
        precision=precision,
        quantisation=None,
        engine=engine,
        trained_system_turns=system_turns,
    )


def scores_of(
    suite: SuiteSettings,
    items: Sequence[Item],
    model: PreTrainedModel,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    *,
    subject: Subject | None = None,
) -> Scores:
    """Score a model on a suite; its training rows have whatever system turns the items have."""
    turns = system_turns_of([item.messages for item in items])
    return score(
        suite,
        items,
        subject or make_subject(prepared, system_turns=turns),
        renderer=renderer,
        language_model=lambda: language_model(model, renderer),
    )


def score_suite(
    suite: SuiteSettings,
    items: Sequence[Item],
    model: PreTrainedModel,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    folder: Path,
) -> SuiteResult:
    """Score a model on a suite and return the result that was written."""
    folder.mkdir(parents=True, exist_ok=True)
    write_scores(folder, scores_of(suite, items, model, prepared, renderer))
    return read_result(folder)
