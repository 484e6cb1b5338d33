import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import (
    build_snapshot,
    load_dataset_settings,
    read_record,
    write_snapshot,
)
from civicbench.datasets.rows import SPLITS, read_split

_SETTINGS: dict[str, Any] = {
    "name": "own",
    "title": "Own",
    "description": "For a test.",
    "licence": "CC0-1.0",
    "languages": ["en-GB"],
    "created": "2026-11",
    "personal_data": "None.",
    "sources": [{"file": "rows.jsonl", "licence": "CC0-1.0", "attribution": "Us"}],
    "group": "family",
    "format": {"system": "Be brief.", "user": "Ask: {question}", "assistant": "Say: {answer}"},
    "split": {"validation": 0.2, "test": 0.2},
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the dataset `own` of a project, with lines of its rows' file and changed settings."""
    project = tmp_path / "project"
    (project / "recipes").mkdir(parents=True)
    monkeypatch.chdir(project)

    def write(lines: list[str] | bytes, **changes: object) -> Path:
        folder = project / "datasets" / "own"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dataset.yaml").write_text(yaml.safe_dump({**_SETTINGS, **changes}))
        content = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
        (folder / "rows.jsonl").write_bytes(content)
        return folder

    return write


def row(number: int, **changes: object) -> dict[str, object]:
    fields = {
        "id": f"r{number}",
        "family": f"f{number // 2}",
        "question": f"What is {number}?",
        "answer": f"It is {number}.",
        **changes,
    }
    return {name: value for name, value in fields.items() if value != "ABSENT"}


def lines_of(count: int) -> list[str]:
    return [json.dumps(row(number)) for number in range(count)]


def build() -> StageOutput:
    workspace = Workspace.locate()
    reporter = Reporter(live=False)
    return build_snapshot(load_dataset_settings("own"), workspace=workspace, reporter=reporter)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (row(9, question="ABSENT"), "the field 'question' is missing"),
        (row(9, question=None), "the field 'question' is missing"),
        (row(9, family="ABSENT"), "the field 'family' is missing"),
        (row(9, id="ABSENT"), "the field 'id' is missing"),
        (row(9, answer=""), "the answer's field 'answer' is empty"),
        (row(9, answer=" \t\n"), "the answer's field 'answer' is empty"),
        (row(9, answer="a\x00b"), "the field 'answer' holds a NUL character"),
        (row(9, question=["a"]), "the field 'question' must be text or a number, got a list"),
        (row(9, question={"a": 1}), "the field 'question' must be text or a number, got a dict"),
        (row(9, id="r0"), "id 'r0' stands at rows.jsonl:1 too"),
        ([1, 2], "must be a JSON object, got list"),
        ("not json", "is not valid JSON"),
        ('{"id": "r9", "id": "r8"}', "the key 'id' stands twice"),
        ('{"id": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_row_with_a_mistake_is_refused_with_its_line(
    write: Write, home: Path, line: object, says: str
) -> None:
    text = line if isinstance(line, str) else json.dumps(line)
    folder = write([*lines_of(4), "", text])
    with pytest.raises(InvalidInputError) as caught:
        build()
    assert caught.value.where == str(folder)
    [told] = [part for part in str(caught.value).splitlines() if "rows.jsonl:" in part]
    assert told.startswith("  - rows.jsonl:6: ")
    assert says in told
    assert list((home / "snapshots").iterdir()) == []


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    bad = [
        json.dumps(row(10, answer="")),
        "{",
        json.dumps(row(0)),
        json.dumps(row(11, question=3.5)),
        json.dumps(row(12, family=None)),
    ]
    write([*lines_of(2), *bad])
    with pytest.raises(InvalidInputError, match=": 4 rows cannot be used") as caught:
        build()
    told = [part.split(": ")[0] for part in str(caught.value).splitlines()[1:]]
    assert told == [f"  - rows.jsonl:{line}" for line in (3, 4, 5, 7)]


def test_very_many_mistakes_are_counted_and_not_all_shown(write: Write) -> None:
    write([json.dumps(row(number, answer="")) for number in range(500)])
    with pytest.raises(InvalidInputError, match=": 500 rows cannot be used") as caught:
        build()
    assert len(str(caught.value).splitlines()) < 30
    assert "and 480 more" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_dataset_without_rows_is_refused(write: Write, home: Path, content: bytes) -> None:
    write(content)
    with pytest.raises(InvalidInputError, match="no rows"):
        build()
    assert list((home / "snapshots").iterdir()) == []


def test_a_source_that_is_absent_or_no_text_is_refused_before_work(
    write: Write, home: Path
) -> None:
    folder = write(b'{"id": "caf\xe9"}')
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        build()
    (folder / "rows.jsonl").unlink()
    with pytest.raises(PartAbsentError, match="no such file"):
        build()
    assert not home.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"licences": "x"}, "licences: unknown key; did you mean licence?"),
        ({"split": {"test": 0.6, "validation": 0.4}}, "must leave a share to train on"),
        ({"sources": []}, "sources: tuple should have at least 1 item"),
        ({"sources": [{"file": "../x.jsonl", "licence": "x", "attribution": "x"}]}, "sources.0"),
        ({"sources": [{"file": "/x.jsonl", "licence": "x", "attribution": "x"}]}, "sources.0"),
        ({"name": "other"}, "name must equal the folder's name"),
    ],
)
def test_settings_with_a_mistake_are_refused(
    write: Write, changes: dict[str, object], says: str
) -> None:
    write(lines_of(4), **changes)
    with pytest.raises(InvalidInputError) as caught:
        load_dataset_settings("own")
    assert says in str(caught.value)


def test_exact_copies_are_dropped_and_counted(write: Write) -> None:
    copies = [
        row(20, question="What is 0?", answer="It is 0."),
        row(21, question="What is 0? ", answer="It is 0.\n"),
        row(22, question="What is 0?", answer="It is nought."),  # another answer: no copy
        row(23, question="cafe\u0301", answer="x"),
        row(24, question="caf\u00e9", answer="x"),  # the same text in Unicode's other form
    ]
    write([*lines_of(4), *map(json.dumps, copies)])
    record = read_record(build().folder)
    step = next(step for step in record.steps if step.name == "exact-duplicates")
    assert (step.rows_in, step.rows_out) == (9, 6)
    assert step.note == "3 removed: repeats an earlier row"
    kept = {row.id for split in SPLITS for row in read_split(build().folder, split)}
    assert kept == {"r0", "r1", "r2", "r3", "r22", "r23"}


def test_rows_come_back_as_they_were_written(write: Write) -> None:
    odd = 'a\u2028b\u2029c\x85d\x0be\x1cf {answer} \\ " 😀'
    write([json.dumps(row(0, question=odd, answer="{question}", more=[1], count=3))], split={})
    [found] = read_split(build().folder, "train")
    # Values are put in as they are: braces within them are not filled again.
    assert [(turn.role, turn.content) for turn in found.messages] == [
        ("system", "Be brief."),
        ("user", f"Ask: {odd}"),
        ("assistant", "Say: {question}"),
    ]
    assert found.fields["count"] == 3
    assert "more" not in found.fields


def test_a_snapshot_is_named_by_its_rows(write: Write) -> None:
    write(lines_of(20))
    first = build()
    assert build().reused
    write(lines_of(20), title="Another title")
    renamed = build()
    assert not renamed.reused
    assert read_record(renamed.folder).digest == read_record(first.folder).digest
    write([*lines_of(19), json.dumps(row(19, answer="Else."))])
    assert read_record(build().folder).digest != read_record(first.folder).digest


def test_the_same_rows_give_the_same_bytes(write: Write, tmp_path: Path) -> None:
    write(lines_of(20))
    dataset = load_dataset_settings("own")
    for name in ("one", "other"):
        write_snapshot(
            dataset,
            tmp_path / name,
            workspace=Workspace.locate(),
            reporter=Reporter(live=False),
        )
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_the_record_counts_what_is_in_the_files(write: Write) -> None:
    write(lines_of(20))
    folder = build().folder
    record = read_record(folder)
    for fact in record.splits:
        rows = read_split(folder, fact.name)  # type: ignore[arg-type]
        assert (fact.rows, fact.groups) == (len(rows), len({row.group for row in rows}))
        assert fact.characters == sum(len(m.content) for row in rows for m in row.messages)
    assert sum(fact.rows for fact in record.splits) == record.sources[0].rows == 20


def test_enquiry_triage_is_dealt_as_its_card_says(home: Path) -> None:
    dataset = load_dataset_settings("enquiry-triage")
    output = build_snapshot(dataset, workspace=Workspace.locate(), reporter=Reporter(live=False))
    counts = {fact.name: fact.rows for fact in read_record(output.folder).splits}
    assert counts == {"train": 384, "validation": 48, "test": 144}
    areas = [{row.fields["area"] for row in read_split(output.folder, split)} for split in SPLITS]
    assert areas[0] == areas[1] == areas[2]
