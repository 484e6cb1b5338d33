"""Items with mistakes are refused, each by name, before anything is scored."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import parse_settings
from civicbench.evaluation.answers import choose, read_lines
from civicbench.evaluation.items import items_digest, questions_of, read_file_items
from civicbench.evaluation.settings import SuiteSettings

SUITE = {
    "name": "own",
    "title": "Own",
    "kind": "domain",
    "measures": "m",
    "does_not_measure": "d",
    "licence": "CC0-1.0",
    "items": {"file": "items.jsonl"},
    "cluster": "topic",
    "tasks": [{"type": "choice", "name": "pick", "title": "Pick"}],
}
GOOD = {"id": "a", "prompt": "p", "topic": "t", "choices": ["x", "y"], "answer": 1}


def suite(**changes: Any) -> SuiteSettings:
    return parse_settings(SuiteSettings, {**SUITE, **changes}, where="suite.yaml")


def write(path: Path, *items: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def ask(path: Path, settings: SuiteSettings | None = None) -> None:
    chosen = settings or suite()
    questions_of(chosen.tasks[0], read_file_items(path, system=None), suite=chosen)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "'id' is missing"),
        ({"prompt": " "}, "'prompt' is missing or empty"),
        ({"topic": None}, "cluster field 'topic' is missing"),
        ({"choices": ["x"]}, "at least two"),
        ({"choices": "xy"}, "at least two"),
        ({"choices": ["x", "x"]}, "the same"),
        ({"choices": ["x", " "]}, "empty"),
        ({"answer": 2}, "not one of the 2 choices"),
        ({"answer": -1}, "not one of the 2 choices"),
        ({"answer": True}, "not one of the 2 choices"),
        ({"answer": "z"}, "not one of the 2 choices"),
        ({"answer": None}, "not one of the 2 choices"),
    ],
)
def test_an_item_with_a_mistake_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "items.jsonl", {**GOOD, **change})
    with pytest.raises(InvalidInputError, match=message):
        ask(path)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    wrong = [{**GOOD, "id": f"item-{n}", "answer": 9} for n in range(3)]
    with pytest.raises(InvalidInputError) as caught:
        ask(write(tmp_path / "items.jsonl", *wrong))
    assert all(f"item-{n}" in str(caught.value) for n in range(3))


def test_two_items_of_one_name_are_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"line 2.*line 1"):
        ask(write(tmp_path / "items.jsonl", GOOD, GOOD))


def test_an_empty_file_and_a_task_without_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no items"):
        ask(write(tmp_path / "items.jsonl"))
    only = suite(tasks=[{**SUITE["tasks"][0], "where": {"topic": "other"}}])  # type: ignore[index, dict-item]
    with pytest.raises(InvalidInputError, match="no item fits"):
        ask(write(tmp_path / "items.jsonl", GOOD), only)


def test_two_thousand_choices_are_read(tmp_path: Path) -> None:
    many = {**GOOD, "choices": [f"choice {n}" for n in range(2000)], "answer": "choice 1999"}
    settings = suite()
    items = read_file_items(write(tmp_path / "items.jsonl", many), system="Be brief.")
    (question,) = questions_of(settings.tasks[0], items, suite=settings)
    assert question.answer == 1999
    assert [message.role for message in question.item.messages] == ["system", "user"]


def test_any_change_of_an_item_changes_the_digest(tmp_path: Path) -> None:
    digests = set()
    for change in ({}, {"prompt": "q"}, {"answer": 0}, {"choices": ["x", "z"]}, {"topic": "u"}):
        items = read_file_items(write(tmp_path / "items.jsonl", {**GOOD, **change}), system=None)
        asked = questions_of(suite().tasks[0], items, suite=suite())
        digests.add(items_digest({"pick": asked}))
    assert len(digests) == 5


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="two tasks have one name: pick"):
        suite(tasks=[*SUITE["tasks"], *SUITE["tasks"]])  # type: ignore[misc]


def test_the_likeliest_choice_wins_and_length_can_be_levelled() -> None:
    assert choose([-4.0, -3.0], ["ab", "abcd"], per_byte=False) == 1
    assert choose([-4.0, -9.0], ["ab", "abcdefgh"], per_byte=True) == 1
    # A character of two bytes counts as two.
    assert choose([-2.0, -2.5], ["é", "abc"], per_byte=True) == 1


def test_only_whole_lines_in_order_are_well_formed() -> None:
    assert read_lines("Area: debt\nUrgency: soon") == {"Area": "debt", "Urgency": "soon"}
    assert tuple(read_lines("Urgency: soon\nArea: debt")) == ("Urgency", "Area")
    assert "" in read_lines("Area: debt\nand so on")
    assert "" in read_lines("Area: debt\nArea: housing")


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for name, value in read_lines(text).items():
        assert isinstance(name, str)
        assert isinstance(value, str)


NAMES = st.text(st.characters(exclude_characters=":\n\r", exclude_categories=["Cs"]), min_size=1)
LINES = st.dictionaries(
    NAMES.map(str.strip).filter(bool),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).map(str.strip),
    min_size=1,
    max_size=4,
)


@given(lines=LINES)
def test_an_answer_written_as_asked_is_read_back_exactly(lines: dict[str, str]) -> None:
    text = "\n".join(f"{name}: {value}" for name, value in lines.items())
    assert read_lines(text) == lines
    assert tuple(read_lines(text)) == tuple(lines)
    assert read_lines(f"\n{text}\n\n") == lines


@given(lines=LINES, extra=st.text(st.characters(exclude_characters=":\n"), min_size=1))
def test_a_line_more_or_one_twice_is_never_well_formed(lines: dict[str, str], extra: str) -> None:
    text = "\n".join(f"{name}: {value}" for name, value in lines.items())
    if extra.strip():
        assert tuple(read_lines(f"{text}\n{extra}")) != tuple(lines)
    assert tuple(read_lines(f"{text}\n{text}")) != tuple(lines)


@given(
    scores=st.lists(st.floats(-1e4, -1e-3), min_size=2, max_size=9, unique=True),
    data=st.data(),
)
def test_the_choice_does_not_depend_on_the_order_of_choices(
    scores: list[float], data: st.DataObject
) -> None:
    choices = [f"choice {n}" for n in range(len(scores))]
    order = data.draw(st.permutations(range(len(scores))))
    picked = choices[choose(scores, choices, per_byte=False)]
    moved = [choices[n] for n in order]
    assert moved[choose([scores[n] for n in order], moved, per_byte=False)] == picked


WRITTEN = {
    "type": "fields",
    "name": "write",
    "title": "Write",
    "lines": ["Topic"],
    "fields": {"Topic": "topic"},
    "max_new_tokens": 8,
}


def test_a_written_task_refuses_items_without_what_must_be_right(tmp_path: Path) -> None:
    task = {**WRITTEN, "fields": {"Topic": "colour"}}
    for change in ({}, {"colour": None}):
        path = write(tmp_path / "items.jsonl", {**GOOD, **change})
        with pytest.raises(InvalidInputError, match="the field 'colour' is missing"):
            ask(path, suite(tasks=[task]))


def test_a_right_line_that_is_not_among_the_lines_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="fields names lines that lines does not: Colour"):
        suite(tasks=[{**WRITTEN, "fields": {"Colour": "topic"}}])


def test_a_slice_field_that_an_item_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="a: the slice field 'nation' is missing"):
        ask(write(tmp_path / "items.jsonl", GOOD), suite(slices=["nation"]))


def test_half_a_character_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "choices": ["x", "\ud83d"]}))
    with pytest.raises(InvalidInputError, match="is not valid JSON") as caught:
        ask(path)
    assert caught.value.where == f"{path}:2"
    whole = write(tmp_path / "whole.jsonl", {**GOOD, "choices": ["x", "\U0001f600"]})
    assert "\\ud83d" in whole.read_text()
    ask(whole)


def test_a_line_that_is_not_json_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    for bad in ("{", "[]", "NULL", '{"n": NaN}'):
        path.write_text(json.dumps(GOOD) + "\n\n" + bad + "\n")
        with pytest.raises(InvalidInputError) as caught:
            ask(path)
        assert caught.value.where == f"{path}:3"


def test_nul_right_to_left_and_template_code_are_kept_as_they_are(tmp_path: Path) -> None:
    odd = "\x00 \u202eabc\u202c {{ messages }} <b>&amp;</b> <|im_end|>"
    path = write(tmp_path / "items.jsonl", {**GOOD, "prompt": odd})
    (item,) = read_file_items(path, system=None)
    assert item.messages[-1].content == odd


def test_a_writing_task_may_ask_the_first_item_of_each_cluster_alone(tmp_path: Path) -> None:
    task = {
        "type": "fields",
        "name": "write",
        "title": "Write",
        "lines": ["Topic"],
        "fields": {"Topic": "topic"},
        "first_of_cluster": True,
        "max_new_tokens": 8,
    }
    settings = suite(tasks=[task])
    items = [{**GOOD, "id": f"item-{n}", "topic": f"t{n // 3}"} for n in range(6)]
    read = read_file_items(write(tmp_path / "items.jsonl", *items), system=None)
    asked = questions_of(settings.tasks[0], read, suite=settings)
    assert [question.item.id for question in asked] == ["item-0", "item-3"]
