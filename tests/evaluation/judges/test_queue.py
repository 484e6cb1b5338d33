"""Labels of people: a blind sample out, and only whole, unchanged files back in."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.importing import import_labels
from civicbench.evaluation.judges.queue import (
    Queue,
    Scored,
    agreements_since,
    draw_queue,
    keep_queue,
    labels_of,
    queue_agreements,
)
from civicbench.evaluation.judges.record import LABELS, Judgement
from civicbench.evaluation.records import ItemRecord

DIGEST = "d" * 64
EVIL = '=HYPERLINK(1)\x1b[31m\x00 <b>{{x}}</b>\r\nsecond, "line"'


def scored(number: int, *, model: str) -> Scored:
    record = ItemRecord(
        task="asked", id=f"item-{number}", seed=None, cluster="c", slices={},
        prompt=f"Question {number}?", prompt_digest="p", prompt_tokens=3, choices=(), expected="",
        answer=EVIL if number == 0 else f"-Answer {number} of the same text", expected_position=-1,
        answer_position=-1, log_likelihoods=(), values={}, flags=(),
        judgement=Judgement(label=LABELS[number % 3], reason="r", judge=DIGEST),
    )  # fmt: skip
    return Scored("folder", "suite", model, record)


ANSWERS = [scored(n, model=model) for model in ("secret-base", "secret-tuned") for n in range(15)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


@pytest.fixture
def drawn(workspace: Workspace) -> tuple[Queue, str, str]:
    found = draw_queue(ANSWERS, count=12, seed=3)
    keep_queue(found[0], workspace=workspace)
    return found


def fill(
    text: str, path: Path, *, queue: Queue, change: Callable[[list[dict[str, str]]], None]
) -> Path:
    rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines(keepends=True)))
    by_row = {entry.row: entry.label for entry in queue.entries}
    for row in rows:
        row["label"] = by_row[row["row"]]
    change(rows)
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def nothing(rows: list[dict[str, str]]) -> None:
    """Change nothing."""


def test_the_sample_is_blind_stratified_and_the_same_for_one_seed(
    drawn: tuple[Queue, str, str],
) -> None:
    queue, text, as_json = drawn
    for hidden in ("secret", DIGEST, "item-", "reason", "\x1b", "\x00"):
        assert hidden not in text
        assert hidden not in as_json
    assert draw_queue(ANSWERS, count=12, seed=3)[1] == text
    assert draw_queue(ANSWERS, count=12, seed=4)[1] != text
    counts = [sum(e.label == label for e in queue.entries) for label in LABELS]
    assert counts == [4, 4, 4]
    assert [e.label for e in queue.entries] != sorted(e.label for e in queue.entries)


def test_no_cell_is_taken_for_a_formula(drawn: tuple[Queue, str, str]) -> None:
    for row in csv.reader(drawn[1].removeprefix("\ufeff").splitlines(keepends=True)):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_labels_come_back_and_agreement_follows(
    form: str, drawn: tuple[Queue, str, str], workspace: Workspace, tmp_path: Path
) -> None:
    queue, text, as_json = drawn
    path = tmp_path / f"labelled.{form}"
    if form == "csv":
        fill(text, path, queue=queue, change=nothing)
    else:
        rows = json.loads(as_json)
        labels = {entry.row: entry.label for entry in queue.entries}
        path.write_text(json.dumps([{**row, "label": labels[row["row"]]} for row in rows]))
    import_labels(path, labeller="anna", workspace=workspace)
    (since,) = agreements_since(DIGEST, workspace=workspace)
    assert since.accuracy.value == since.kappa.value == 1.0
    assert since.items == 12


def test_two_labellers_are_compared_with_each_other(
    drawn: tuple[Queue, str, str], workspace: Workspace, tmp_path: Path
) -> None:
    queue, text, _ = drawn

    def others(rows: list[dict[str, str]]) -> None:
        for row in rows[:6]:
            row["label"] = " Compliance "

    for labeller, change in (("anna", nothing), ("ben", others)):
        path = fill(text, tmp_path / f"{labeller}.csv", queue=queue, change=change)
        import_labels(path, labeller=labeller, workspace=workspace)
    found = queue_agreements(queue, labels_of(queue, workspace=workspace))
    assert [digest for digest, _ in found] == [DIGEST, DIGEST, ""]
    assert found[2][1].held_out == "ben against anna"
    assert found[2][1].accuracy.value == found[1][1].accuracy.value < 1


def spoil(rows: list[dict[str, str]]) -> None:
    rows[0]["label"] = "refusel"
    rows[1]["label"] = ""
    rows[2]["answer"] += " and more"
    rows[3] = dict(rows[4])
    rows.append({**rows[5], "row": "ffffffffff-999"})


def test_every_mistake_is_named_and_nothing_is_kept(
    drawn: tuple[Queue, str, str], workspace: Workspace, tmp_path: Path
) -> None:
    queue, text, _ = drawn
    path = fill(text, tmp_path / "spoilt.csv", queue=queue, change=spoil)
    with pytest.raises(InvalidInputError) as caught:
        import_labels(path, labeller="anna", workspace=workspace)
    told = str(caught.value)
    for part in (
        "6 mistakes", "unknown label 'refusel'; did you mean refusal?", "has no label",
        "answer was changed", "stands twice", "is no row of queue", "is missing",
    ):  # fmt: skip
        assert part in told
    assert labels_of(queue, workspace=workspace) == []


def test_a_queue_of_elsewhere_and_too_large_a_sample_are_refused(
    drawn: tuple[Queue, str, str], tmp_path: Path, workspace: Workspace
) -> None:
    path = fill(drawn[1], tmp_path / "q.csv", queue=drawn[0], change=nothing)
    with pytest.raises(PartAbsentError):
        import_labels(path, labeller="anna", workspace=Workspace(tmp_path / "other"))
    with pytest.raises(InvalidInputError, match="labeller"):
        import_labels(path, labeller="../anna", workspace=workspace)
    with pytest.raises(InvalidInputError, match="not as many"):
        draw_queue(ANSWERS, count=31, seed=0)
