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
