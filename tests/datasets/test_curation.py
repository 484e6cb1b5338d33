"""The passes of a build: equal bytes everywhere, exclusions listed, nothing half-written."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.datasets.project import Project, pinned, row

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import load_dataset_settings, write_snapshot
from civicbench.datasets.reading import BATCH_ROWS

URL = "https://example.org/rows.jsonl"
EVERY_STEP: list[dict[str, Any]] = [
    {"step": "licences", "purpose": "publish"},
    {"step": "normalise"},
    {"step": "filter-length", "fields": ["question"], "minimum_words": 4},
    {"step": "filter-language", "fields": {"question": "en"}, "among": ["cy"]},
    {"step": "exact-duplicates"},
    {"step": "near-duplicates", "threshold": 0.9},
    {"step": "personal-data", "action": "redact"},
    {"step": "decontaminate"},
    {"step": "balance", "by": "area", "ratio": 1.5},
]


def many_rows(count: int) -> list[dict[str, Any]]:
    """Rows with faults for every step, far more than a batch."""
    rows = []
    for number in range(count):
        words = " ".join(f"{chr(97 + number * k % 26)}ord{number * k % 977}" for k in range(3, 12))
        question = f"Tell the council about {words} please"
        if number % 11 == 3:
            question = "Too short"
        if number % 13 == 5:
            question = f"Mae gan bawb yr hawl i dderbyn gwasanaeth yn Gymraeg gan y cyngor {number}"
        if number % 17 == 7:
            question = "Ring 020 7946 0018 about the matter, said the council about it all"
        answer = "It says so." if number % 19 == 9 else f"It says {number}."
        rows.append(row(number, question=question if number % 19 != 9 else "What does it all say?",
                        answer=answer, area="AB"[number % 3 == 0],
                        family=f"f{number // 4}"))  # fmt: skip
    return rows


@pytest.fixture
def large(project: Project) -> Project:
    lines = "".join(json.dumps(r) + "\n" for r in many_rows(9 * BATCH_ROWS)) + '{"broken\n'
    part = project.put(URL, lines.encode())
    project.declare(
        source=pinned("large", part, reader="jsonl"), steps=EVERY_STEP,
        split={"test": 0.1, "validation": 0.1},
    )  # fmt: skip
    return project


def digests(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_bytes_do_not_depend_on_cores_or_hash_seeds(large: Project, tmp_path: Path) -> None:
    dataset = load_dataset_settings("own")
    for cores in (1, 2):
        write_snapshot(
            dataset, tmp_path / f"cores-{cores}", workspace=Workspace.locate(),
            reporter=Reporter(live=False), cores=cores,
        )  # fmt: skip
    first = digests(tmp_path / "cores-1")
    assert first == digests(tmp_path / "cores-2")
    script = (
        "from civicbench.cli import application\n"
        "application(['datasets', 'build', 'own'], standalone_mode=False)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "CIVICBENCH_HOME": str(tmp_path / "h")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=large.root, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    other = digests(Path(done.stdout.strip()))
    for name in ("stage.json", "card.md", "card.html", "croissant.json"):
        other.pop(name)
    assert first == other


def test_every_row_is_kept_or_listed_once(large: Project) -> None:
    built = large.build()
    assert built.record.sources[0].rows == 9 * BATCH_ROWS
    assert built.record.sources[0].malformed == 1
    assert len(built.ids) + len(built.excluded) == 9 * BATCH_ROWS + 1
    assert len(built.excluded) == built.record.excluded
    assert len({entry["place"] for entry in built.excluded}) == len(built.excluded)
    steps = built.record.steps
    for before, after in pairwise(steps):
        assert before.rows_out == after.rows_in
    for step in steps:
        assert step.rows_in - step.rows_out == sum(reason.rows for reason in step.removed)
        listed = [e for e in built.excluded if e["step"] == step.name]
        assert len(listed) == step.rows_in - step.rows_out
    assert {s.name for s in steps if s.removed} >= {
        "read", "filter-length", "filter-language", "exact-duplicates", "balance"
    }  # fmt: skip
    assert steps[-1].rows_out == sum(split.rows for split in built.record.splits)


def test_each_step_that_did_something_shows_examples(large: Project) -> None:
    built = large.build()
    for step in built.record.steps:
        if step.removed or step.name in {"personal-data"}:
            assert step.examples, step.name
    assert "large, rows.jsonl:" in built.step("filter-length").examples[0]


def test_rows_come_out_in_the_order_in_which_they_were_read(large: Project) -> None:
    built = large.build()
    for rows in built.rows.values():
        numbers = [int(found.id.removeprefix("r")) for found in rows]
        assert numbers == sorted(numbers)


def test_malformed_records_are_counted_with_their_places(project: Project) -> None:
    lines = [json.dumps(row(1)), "{", json.dumps(row(2)), "[1]", '{"id": 1, "id": 2}']
    part = project.put(URL, "\n".join(lines).encode())
    project.declare(source=pinned("some", part, reader="jsonl"))
    built = project.build()
    assert built.ids == ["r1", "r2"]
    assert [e["place"].split(":")[1] for e in built.excluded] == ["2", "4", "5"]
    assert {e["reason"] for e in built.excluded} == {"malformed record"}
    assert built.record.sources[0].malformed == 3
    assert (built.step("read").rows_in, built.step("read").rows_out) == (5, 2)


def test_a_source_may_refuse_its_mistakes(project: Project, home: Path) -> None:
    part = project.put(URL, (json.dumps(row(1)) + "\n{\n" + json.dumps(row(2, answer=""))).encode())
    project.declare(source=pinned("some", part, reader="jsonl", mistakes="refuse"))
    with pytest.raises(InvalidInputError, match=": 2 rows cannot be used") as caught:
        project.build()
    assert "rows.jsonl:2" in str(caught.value)
    assert "rows.jsonl:3: the answer is empty" in str(caught.value)
    assert list((home / "snapshots").iterdir()) == []


def test_an_authored_file_may_leave_out_its_mistakes(project: Project) -> None:
    source = {"file": "rows.jsonl", "licence": "MIT", "attribution": "Us", "mistakes": "exclude"}
    project.declare(source=source)
    project.write_rows([row(1), row(2, answer=""), row(1, question="Again?"), row(3)])
    built = project.build()
    assert built.ids == ["r1", "r3"]
    assert [(e["step"], e["place"], e["reason"]) for e in built.excluded] == [
        ("read", "rows.jsonl:2", "the answer is empty"),
        ("format", "rows.jsonl:3", "another row has the same name"),
    ]


def test_all_rows_filtered_away_is_an_error_that_says_where(project: Project, home: Path) -> None:
    step = {"step": "filter-length", "fields": ["question"], "minimum_words": 50}
    project.declare(steps=[step])
    project.write_rows([row(1), row(2)])
    with pytest.raises(InvalidInputError, match="no rows are left to train on") as caught:
        project.build()
    assert "read 2 to 2; filter-length 2 to 0" in str(caught.value.got)
    assert list((home / "snapshots").iterdir()) == []


@pytest.mark.parametrize("steps", [[{"step": "exact-duplicates"}], [{"step": "near-duplicates"}]])
def test_no_row_left_before_a_whole_step_is_the_same_error(
    project: Project, steps: list[dict[str, Any]]
) -> None:
    nothing = {"step": "filter-pattern", "field": "answer", "keep": "never", "reason": "not here"}
    project.declare(steps=[nothing, *steps])
    project.write_rows([row(1)])
    with pytest.raises(InvalidInputError, match="no rows are left"):
        project.build()


def test_a_field_that_no_row_has_is_a_slip_of_the_pen(project: Project) -> None:
    project.declare(steps=[{"step": "filter-length", "fields": ["qestion"]}])
    project.write_rows([row(1)])
    with pytest.raises(InvalidInputError, match="no row has a field 'qestion'") as caught:
        project.build()
    assert "did you mean question?" in str(caught.value)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"step": "near-duplicate"}, "near-duplicates"),
        ({"step": "near-duplicates", "treshold": 0.9}, "did you mean threshold?"),
        ({"step": "balance", "by": "area"}, "give either at_most or ratio"),
        (
            {"step": "filter-pattern", "field": "a", "keep": "(", "reason": "x"},
            "regular expression",
        ),
        ({"step": "extract", "field": "a", "pattern": "b", "into": "c"}, "exactly one group"),
        ({"step": "filter-language", "fields": {"question": "en"}}, "at least one other language"),
        ({"step": "filter-length", "fields": ["a"], "maximum_ratio": 2}, "compares two fields"),
        ({"step": "personal-data", "action": "hide"}, "'detect', 'redact', 'exclude' or 'refuse'"),
        ({"step": "decontaminate", "words": 4}, "shortest_words must not be above words"),
    ],
)
def test_a_step_with_a_mistake_is_refused_before_work(
    project: Project, step: dict[str, Any], says: str
) -> None:
    project.declare(steps=[step])
    project.write_rows([row(1)])
    with pytest.raises(InvalidInputError) as caught:
        load_dataset_settings("own")
    assert says in str(caught.value)


def test_named_groups_go_where_they_are_named_and_no_group_stands_in_two(project: Project) -> None:
    project.declare(
        group="{area} {family}",
        split={"test_groups": ["A f1"], "validation_groups": ["B f1"], "test": 0.5},
    )
    project.write_rows([row(n, area="AB"[n % 2], family=f"f{n % 5 // 2}") for n in range(20)])
    built = project.build()
    groups = {split: {r.group for r in rows} for split, rows in built.rows.items()}
    assert "A f1" in groups["test"]
    assert groups["validation"] == {"B f1"}
    assert not groups["train"] & (groups["test"] | groups["validation"])
    assert groups["test"] - {"A f1"}  # shares deal the others


def test_a_named_group_that_does_not_exist_is_refused(project: Project) -> None:
    project.declare(split={"test_groups": ["f11"]})
    project.write_rows([row(1), row(2)])
    with pytest.raises(InvalidInputError, match="no row is left of") as caught:
        project.build()
    assert caught.value.got == "f11"
    assert "did you mean f1?" in str(caught.value)


def test_a_held_out_row_that_asks_what_training_asks_is_left_out(project: Project) -> None:
    same = "What does the council say?"
    rows = [row(1, question=same), row(2), row(3, question=same, answer="Other."), row(4)]
    project.declare(split={"test_groups": ["f3", "f4"]})
    project.write_rows(rows)
    built = project.build()
    assert [r.id for r in built.rows["test"]] == ["r4"]
    assert built.excluded[0]["detail"] == "as at rows.jsonl:1"
    project.declare(split={"test_groups": ["f3", "f4"], "same_prompts": True})
    assert [r.id for r in project.build().rows["test"]] == ["r3", "r4"]


def test_fields_of_steps_may_be_what_an_earlier_step_made(project: Project) -> None:
    extract = {"step": "extract", "field": "question", "pattern": r"number (\d+)", "into": "number"}
    project.declare(
        steps=[extract, {"step": "balance", "by": "number", "at_most": 1}],
        group="number",
        format={"user": "{number}", "assistant": "{answer}"},
    )
    project.write_rows([row(1), row(2), row(3, question="No figure")])
    built = project.build()
    assert [r.group for r in built.rows["train"]] == ["1", "2"]
    assert built.excluded[0]["reason"] == "question has no number"
