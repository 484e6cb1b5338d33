"""Items that come in twos: what is measured on pairs, checked, compared and computed again."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.factory import language_model, make_subject, make_suite, write_lines
from transformers import PreTrainedModel

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.stages import run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.items import Item, questions_of, read_file_items
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.records import ItemRecord, Twin, read_items
from civicbench.evaluation.results import MetricResult, SuiteResult
from civicbench.evaluation.scoring import read_result, score, score_stage, write_scores
from civicbench.evaluation.settings import SuiteSettings
from civicbench.evaluation.twins.records import (
    BOTH_RIGHT,
    GAP,
    SAME_DECISION,
    check_twins,
    readiness,
    twin_records,
)
from civicbench.evaluation.twins.settings import TwinMeasure
from civicbench.evaluation.verifying import verify_scores
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer

QUIET = Reporter(live=False)
SAME = {
    "name": "alike",
    "title": "Alike",
    "asks": "same decision",
    "tasks": ["decided"],
    "sides": ["first", "second"],
}
BOTH = {
    "name": "both",
    "title": "Both",
    "asks": "both right",
    "tasks": ["left", "right"],
    "sides": ["first", "second"],
}
DECIDED = {"type": "choice", "name": "decided", "title": "Decided"}
LEFT = {"type": "choice", "name": "left", "title": "Left", "where": {"side": "first"}}
RIGHT = {"type": "choice", "name": "right", "title": "Right", "where": {"side": "second"}}


def twin_suite(**changes: Any) -> SuiteSettings:
    twins = {"pair": "pair", "side": "side", "measures": [SAME, BOTH]}
    return make_suite(
        DECIDED, LEFT, RIGHT, twins=twins, cluster="pair", slices=["topic"], **changes
    )


def twin_lines(count: int = 6) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{pair}-{side}",
            "prompt": f"Is number {pair} {adjective} red?",
            "choices": ["Yes, it is.", "No, it is not."],
            "answer": pair % 2,
            "pair": f"p{pair}",
            "side": side,
            "topic": "even" if pair % 2 == 0 else "odd",
        }
        for pair in range(count)
        for side, adjective in (("first", "really"), ("second", "truly"))
    ]


def twin_items(folder: Path, lines: list[dict[str, Any]]) -> list[Item]:
    return read_file_items(write_lines(folder / "items.jsonl", lines), system=None)


def record(pair: str, side: str, *, picked: int, right: int, likelihoods: tuple[float, ...],
           task: str = "decided") -> ItemRecord:  # fmt: skip
    return ItemRecord(
        task=task,
        id=f"{pair}-{side}",
        seed=None,
        cluster=pair,
        slices={},
        prompt="?",
        prompt_digest="d",
        prompt_tokens=3,
        choices=("a", "b"),
        expected="ab"[right],
        answer="ab"[picked],
        expected_position=right,
        answer_position=picked,
        log_likelihoods=likelihoods,
        values={"accuracy": float(picked == right)},
        flags=(),
        twin=Twin(pair=pair, side=side),
    )


def test_values_of_pairs_are_worked_out_by_hand() -> None:
    items = [
        record("p", "first", picked=0, right=0, likelihoods=(math.log(0.3), math.log(0.1))),
        record("p", "second", picked=0, right=0, likelihoods=(math.log(0.2), math.log(0.2))),
        record("q", "second", picked=0, right=1, likelihoods=(math.log(0.9), math.log(0.1))),
        record("q", "first", picked=1, right=1, likelihoods=(math.log(0.1), math.log(0.9))),
    ]
    pairs = twin_records([TwinMeasure.model_validate(SAME)], items)
    assert [(pair.task, pair.id) for pair in pairs] == [("alike", "p"), ("alike", "q")]
    assert [pair.values[SAME_DECISION] for pair in pairs] == [1.0, 0.0]
    assert [pair.values[GAP] for pair in pairs] == pytest.approx([0.75 - 0.5, 0.1 - 0.9])
    both = twin_records([TwinMeasure.model_validate({**BOTH, "tasks": ["decided"]})], items)
    assert [pair.values[BOTH_RIGHT] for pair in both] == [1.0, 0.0]


def test_an_item_without_a_twin_is_no_pair() -> None:
    alone = record("p", "first", picked=0, right=0, likelihoods=(-1.0, -2.0))
    assert twin_records([TwinMeasure.model_validate(SAME)], [alone]) == []


@given(st.lists(st.floats(-1e5, 0), min_size=2, max_size=6))
def test_readiness_is_a_share_whatever_the_likelihoods(values: list[float]) -> None:
    found = readiness(record("p", "first", picked=0, right=0, likelihoods=tuple(values)))
    assert 0.0 <= found <= 1.0
    again = readiness(
        record("p", "first", picked=0, right=0, likelihoods=tuple(v - 7 for v in values))
    )
    assert again == pytest.approx(found, abs=1e-9)


@given(st.lists(st.tuples(st.floats(-9, 0), st.floats(-9, 0)), min_size=2, max_size=8))
def test_swapping_the_sides_turns_the_gap_round(values: list[tuple[float, float]]) -> None:
    items = [
        record(f"p{n}", side, picked=0, right=0, likelihoods=(value, -1.0))
        for n, both in enumerate(values)
        for side, value in zip(("first", "second"), both, strict=True)
    ]
    one = TwinMeasure.model_validate(SAME)
    other = TwinMeasure.model_validate({**SAME, "sides": ["second", "first"]})
    gaps, turned = ([r.values[GAP] for r in twin_records([m], items)] for m in (one, other))
    assert turned == pytest.approx([-gap for gap in gaps])


def test_a_model_that_decides_alike_has_no_gap_and_one_that_does_not_has(tmp_path: Path) -> None:
    suite = twin_suite()

    def results(shift: float) -> dict[tuple[str, str], MetricResult]:
        items = [
            record(f"p{n}", side, picked=0, right=0, task=task,
                   likelihoods=(-1.0 - (shift if side == "second" else 0) - 0.01 * n, -1.5))
            for task in ("decided", "left", "right")
            for n in range(12)
            for side in ("first", "second")
            if task == "decided" or (task == "left") == (side == "first")
        ]  # fmt: skip
        items = [item.model_copy(update={"slices": {"topic": "t"}}) for item in items]
        return {(m.task, m.metric): m for m in suite_metrics(suite, items, seed=1)}

    alike, unlike = results(0.0)["alike", GAP], results(2.0)["alike", GAP]
    assert (alike.estimate.value, alike.estimate.items, alike.better) == (0.0, 12, "zero")
    assert unlike.estimate.low > 0.2
    assert [(m.task, m.metric) for m in results(0.0).values() if m.headline] == [
        ("decided", "accuracy"),
        ("left", "accuracy"),
        ("right", "accuracy"),
        ("alike", SAME_DECISION),
        ("both", BOTH_RIGHT),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.pop(1), "pair p0: no item of side 'second'"),
        (lambda lines: lines.append({**lines[0], "id": "again"}), "two items of side 'first'"),
        (lambda lines: lines[1].update(answer=1), "right answers at different positions"),
        (lambda lines: lines[1].update(choices=["a", "b", "c"]), "different numbers of choices"),
        (lambda lines: [line.update(pair=None) for line in lines], "no item of its tasks has"),
    ],
)
def test_pairs_with_mistakes_are_refused_and_named(tmp_path: Path, change: Any, said: str) -> None:
    lines = twin_lines()
    change(lines)
    suite = twin_suite().model_copy(update={"cluster": "topic"})
    items = twin_items(tmp_path, lines)
    asked = {task.name: questions_of(task, items, suite=suite) for task in suite.tasks}
    with pytest.raises(InvalidInputError, match=said):
        check_twins(suite, asked)


def test_twins_of_different_clusters_are_refused(tmp_path: Path) -> None:
    suite = twin_suite().model_copy(update={"cluster": "id"})
    lines = [{**line, "id": f"{line['id']}"} for line in twin_lines()]
    items = [
        item.model_copy(update={"fields": {**item.fields, "id": item.id}})
        for item in twin_items(tmp_path, lines)
    ]
    asked = {task.name: questions_of(task, items, suite=suite) for task in suite.tasks}
    with pytest.raises(InvalidInputError, match="different clusters"):
        check_twins(suite, asked)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ({**SAME, "sides": ["first", "first"]}, "one name"),
        ({**SAME, "tasks": ["nothing"]}, "no choice task: nothing"),
        ({**SAME, "name": "left"}, "left is a task's name"),
    ],
)
def test_measures_that_cannot_be_are_refused(measure: dict[str, Any], said: str) -> None:
    twins = {"pair": "pair", "side": "side", "measures": [measure]}
    with pytest.raises(ValueError, match=said):
        make_suite(DECIDED, LEFT, RIGHT, twins=twins)


def test_a_suite_without_twins_keeps_its_bytes() -> None:
    assert "twins" not in make_suite().model_dump(mode="json")
    plain = record("p", "first", picked=0, right=0, likelihoods=(-1.0, -2.0))
    assert "twin" not in plain.model_copy(update={"twin": None}).model_dump(mode="json")


def scored(
    folder: Path, model: PreTrainedModel, tiny: PreparedModel, renderer: ChatRenderer
) -> Path:
    """Score the model on twins as the pipeline does, and return the folder."""
    suite, items = twin_suite(), twin_items(folder, twin_lines())
    workspace = Workspace(folder / "home")
    subject = make_subject(tiny)

    def work(target: Path) -> None:
        found = score(
            suite,
            items,
            subject,
            renderer=renderer,
            language_model=lambda: language_model(model, renderer),
        )
        write_scores(target, found)

    stage = score_stage(suite, items, subject, workspace=workspace)
    return run_stage(stage, work, workspace=workspace, reporter=QUIET).folder


def test_scores_on_twins_are_verified_and_a_changed_gap_is_found(
    tmp_path: Path, model: PreTrainedModel, tiny: PreparedModel, renderer: ChatRenderer
) -> None:
    folder = scored(tmp_path, model, tiny, renderer)
    assert verify_scores(folder).metrics == 6
    result = json.loads((folder / "result.json").read_text())
    gap = next(m for m in result["metrics"] if m["metric"] == GAP)
    gap["estimate"]["value"] += 0.001
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    with pytest.raises(IntegrityError, match="task alike, gap: reported"):
        verify_scores(folder)


def test_two_models_are_compared_pair_by_pair(
    tmp_path: Path, model: PreTrainedModel, tiny: PreparedModel, renderer: ChatRenderer
) -> None:
    folder = scored(tmp_path, model, tiny, renderer)
    result, items = read_result(folder), read_items(folder)
    # The second model finds the first-listed choice likelier for the first of every pair.
    other = [
        item.model_copy(
            update={
                "log_likelihoods": (-1.0, -9.0) if item.twin and item.twin.side == "first"
                else (-9.0, -1.0),
                "answer_position": 0 if item.twin and item.twin.side == "first" else 1,
            }
        )
        for item in items
    ]  # fmt: skip
    tuned: SuiteResult = result.model_copy(
        update={"metrics": suite_metrics(twin_suite(), other, seed=result.seed)}
    )
    found = {(c.task, c.metric): c for c in compare_results(result, items, tuned, other)}
    assert found["alike", SAME_DECISION].tuned.value == 0.0
    assert found["alike", SAME_DECISION].difference.items == 6
    gap = found["alike", GAP]
    assert gap.tuned.value == pytest.approx(1.0, abs=0.001)
    assert gap.difference.value == pytest.approx(
        -(gap.tuned.value - abs(gap.base.value)), abs=1e-9
    ), "how much nearer to 0: further away is negative"
    assert {s.value for s in gap.slices} == {"even", "odd"}
