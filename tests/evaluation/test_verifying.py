"""Every reported number follows from the stored answers; one that does not is named."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.factory import QUIET, make_items, make_subject, make_suite, scores_of
from transformers import PreTrainedModel

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.stages import RECORD_NAME, run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.scoring import score_stage, write_scores
from civicbench.evaluation.verifying import score_folders, verify_scores
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer


@pytest.fixture
def folder(
    model: PreTrainedModel, tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> Path:
    suite = make_suite()
    items = make_items(tmp_path)
    workspace = Workspace(tmp_path / "home")
    scores = scores_of(suite, items, model, tiny, renderer)
    stage = score_stage(suite, items, make_subject(tiny), workspace=workspace)
    work = partial(write_scores, scores=scores)
    return run_stage(stage, work, workspace=workspace, reporter=QUIET).folder


def reseal(folder: Path) -> None:
    """Write the files' digests again, as someone who hides a change would."""
    path = folder / RECORD_NAME
    record = json.loads(path.read_text())
    record["outputs"] = {name: digest_file(folder / name) for name in record["outputs"]}
    path.write_text(json.dumps(record))


def change_items(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "items.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines[0])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def change_result(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "result.json"
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))


def test_scores_as_they_were_written_are_found_true(folder: Path) -> None:
    verified = verify_scores(folder)
    assert (verified.suite, verified.model, verified.items) == ("colours", "base", 24)
    assert verified.metrics == 5
    assert score_folders(folder.parent) == [folder]


def flip_value(item: dict[str, Any]) -> None:
    item["values"]["accuracy"] = 1.0 - item["values"]["accuracy"]


def swap_answer(item: dict[str, Any]) -> None:
    item["answer"] = item["choices"][item["answer_position"] - 1]


def raise_estimate(result: dict[str, Any]) -> None:
    result["metrics"][0]["estimate"]["value"] += 0.001


def narrow_interval(result: dict[str, Any]) -> None:
    result["metrics"][-1]["estimate"]["high"] -= 0.001


def drop_flag(result: dict[str, Any]) -> None:
    result["flags"] = {"empty answer": 7}


def other_prompts(result: dict[str, Any]) -> None:
    result["prompts_digest"] = "0" * 64


CHANGES = [
    (change_items, flip_value, "values do not follow from its answer"),
    (change_items, swap_answer, "not the choice it picked"),
    (change_result, raise_estimate, "task picked, accuracy: reported"),
    (change_result, narrow_interval, "task written"),
    (change_result, drop_flag, "counted flags"),
    (change_result, other_prompts, "prompts' digest"),
]


@pytest.mark.parametrize(("where", "change", "named"), CHANGES)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_number_that_was_changed_is_named_even_with_new_digests(
    hidden: bool, where: Any, change: Any, named: str, folder: Path
) -> None:
    where(folder, change)
    if hidden:
        reseal(folder)
    with pytest.raises(IntegrityError, match=named) as caught:
        verify_scores(folder)
    assert ("is not the file that was written" in str(caught.value)) is not hidden


def test_a_folder_that_holds_no_scores_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartAbsentError, match="not a score folder"):
        verify_scores(tmp_path)


def test_a_record_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "items.jsonl").write_text('{"task": "picked"}\n')
    with pytest.raises(IntegrityError, match="cannot be read"):
        verify_scores(folder)
