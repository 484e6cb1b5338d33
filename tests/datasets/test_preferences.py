"""Rows with a rejected answer: made, refused, compared and dealt like the rest of a row."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.project import Project, row

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.format import Format
from civicbench.datasets.rows import Row
from civicbench.datasets.steps.step import Reference

FORMAT = {"user": "{question}", "assistant": "{answer}", "rejected": "{worse}"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


def pair(number: int, **changes: Any) -> dict[str, Any]:
    return row(number, worse=f"It has never heard of {number}.", **changes)


def test_every_row_has_its_rejected_answer_and_the_record_says_so(project: Project) -> None:
    project.declare(format=FORMAT)
    project.write_rows([pair(1), pair(2)])
    built = project.build()
    assert [(r.messages[-1].content, r.rejected) for r in built.rows["train"]] == [
        ("It says 1.", "It has never heard of 1."),
        ("It says 2.", "It has never heard of 2."),
    ]
    assert built.record.preferences
    characters = sum(len(m.content) for r in built.rows["train"] for m in r.messages)
    rejected = sum(len(r.rejected or "") for r in built.rows["train"])
    assert built.record.splits[0].characters == characters + rejected


def test_rows_without_preferences_have_the_bytes_that_they_had(project: Project) -> None:
    project.declare()
    project.write_rows([row(1)])
    built = project.build()
    (line,) = (built.folder / "train.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == ["id", "group", "messages", "fields"]
    assert "preferences" not in (built.folder / "snapshot.json").read_text()
    assert not built.record.preferences


@pytest.mark.parametrize(
    ("worse", "says"),
    [
        ("It says 1.", "the rejected answer is the same as the chosen one"),
        ("  It  says\n1. ", "the rejected answer is the same as the chosen one"),
        ("  ", "the rejected answer is empty"),
        (None, "the field 'worse' is missing"),
    ],
)
def test_a_row_that_prefers_nothing_stops_the_build_or_is_listed(
    project: Project, worse: str | None, says: str
) -> None:
    project.write_rows([row(1, worse=worse), pair(2)])
    project.declare(format=FORMAT)
    with pytest.raises(InvalidInputError) as caught:
        project.build()
    assert f"rows.jsonl:1: {says}" in str(caught.value)

    source = {"file": "rows.jsonl", "licence": "CC0-1.0", "attribution": "Us",
              "mistakes": "exclude"}  # fmt: skip
    project.declare(format=FORMAT, source=source)
    built = project.build()
    assert built.ids == ["r2"]
    assert [(e["place"], e["reason"]) for e in built.excluded] == [("rows.jsonl:1", says)]


def test_only_rows_with_the_same_two_answers_are_duplicates(project: Project) -> None:
    project.declare(format=FORMAT)
    first = pair(1)
    again, other = {**first, "id": "again"}, {**first, "id": "other", "worse": "Who knows?"}
    project.write_rows([first, again, other])
    assert project.build().ids == ["r1", "other"]


def test_a_rejected_answer_is_kept_apart_from_suites_too(project: Project) -> None:
    project.declare(format=FORMAT, steps=[{"step": "decontaminate"}])
    leaked = "You may put the bins out whenever you like, nobody minds at all."
    project.write_rows([row(1, worse=leaked), pair(2)])
    built = project.build(references=(Reference("safety", "bins-1", leaked),))
    assert built.ids == ["r2"]
    assert built.excluded[0]["detail"] == "worse: is item bins-1"


def test_personal_data_in_a_rejected_answer_is_found(project: Project) -> None:
    project.declare(format=FORMAT, steps=[{"step": "personal-data", "action": "redact"}])
    project.write_rows([row(1, worse="Write to ada.smith@council.gov.uk about it.")])
    (kept,) = project.build().rows["train"]
    assert kept.rejected == "Write to [email address] about it."


@given(rejected=st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_rejected_answer_survives_writing_and_reading(rejected: str) -> None:
    template = Format(user="{q}", assistant="{a}", rejected="{r}")
    fields = {"q": "What?", "a": "The chosen answer, word for word.", "r": rejected}
    if template.problem(fields) is not None:
        return
    made = Row(id="1", group="1", messages=template.messages(fields),
               rejected=template.rejected_text(fields), fields={})  # fmt: skip
    line = made.model_dump_json()
    assert Row.model_validate_json(line) == made
    assert "\n" not in line
