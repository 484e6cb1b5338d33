import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

_FOLDER = Path(__file__).parents[2] / "datasets" / "enquiry-triage"
_KEYS = [
    *("id", "family", "area", "also", "urgency"),
    *("region", "nation", "register", "enquiry", "reason"),
]
_URGENCIES = ("urgent", "soon", "routine")
# Two texts of equal length that have half their distinct words in common stand at 1/3. Different
# situations, which share function words only, stay below 0.28 here; a paraphrase that shares few
# words is not found this way, so new families are read as well.
_NEAR_COPY = 1 / 3
# Each pattern with a text that it must find, from numbers set aside for examples.
_PERSONAL = {
    "e-mail": (r"\S@\S", "write to someone@example.org"),
    "telephone": (r"(?<!\d)(?:\+44|0)(?:[ -]?\d){9,10}(?!\d)", "ring 01632 960123 today"),
    "postcode": (r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b", "lives at zz1a 1zz"),
    "National Insurance": (r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", "NI no. QQ 12 34 56 C"),
    "NHS number": (r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)", "NHS no. 999 123 4567"),
}

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    lines = (_FOLDER / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def card() -> str:
    return (_FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def choices() -> set[str]:
    suite = _FOLDER.parents[1] / "evaluation" / "enquiry-triage" / "suite.yaml"
    settings = yaml.safe_load(suite.read_text(encoding="utf-8"))
    [area] = [task for task in settings["tasks"] if task["name"] == "area"]
    return set(area["choices"])


@pytest.fixture(scope="module")
def prompt() -> str:
    settings = yaml.safe_load((_FOLDER / "dataset.yaml").read_text(encoding="utf-8"))
    return str(settings["format"]["system"])


def _table(card: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of the rows of the table whose first column has this heading."""
    after = card.split(f"\n| {heading} |", 1)[1].splitlines()[2:]
    for line in after:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def test_rows_have_the_stated_fields_and_names_of_their_own(rows: Rows) -> None:
    assert len(rows) >= 480
    assert [row["id"] for row in rows if list(row) != _KEYS] == []
    assert [name for name, count in Counter(row["id"] for row in rows).items() if count > 1] == []


def test_every_area_is_defined_on_the_card_and_is_a_choice_of_the_suite(
    rows: Rows, card: str, choices: set[str]
) -> None:
    areas = {row["area"] for row in rows}
    assert 12 <= len(areas) <= 17
    assert choices == areas
    defined = [cells for cells in _table(card, "Area") if len(cells) == 3]
    assert {cells[0] for cells in defined} == areas
    assert all(len(cell) > 20 for cells in defined for cell in cells[1:])
    assert {row["also"] for row in rows} <= areas | {None}
    assert [row["id"] for row in rows if row["also"] == row["area"]] == []


def test_every_urgency_is_defined_on_the_card_and_named_to_the_model(
    rows: Rows, card: str, prompt: str
) -> None:
    assert {row["urgency"] for row in rows} == set(_URGENCIES)
    assert [cells[0] for cells in _table(card, "Urgency")] == list(_URGENCIES)
    assert f"({', '.join(_URGENCIES)})" in prompt


def test_a_family_is_three_rows_of_one_area_in_three_registers(rows: Rows) -> None:
    families: dict[str, Rows] = defaultdict(list)
    for row in rows:
        families[row["family"]].append(row)
    for name, members in families.items():
        assert [row["id"] for row in members] == [f"{name}-{letter}" for letter in "abc"]
        assert {row["area"] for row in members} == {name.rsplit("-", 1)[0]}, name
        assert len({row["also"] for row in members}) == 1, name
        assert len({row["register"] for row in members}) == 3, name
    assert set(Counter(row["area"] for row in rows).values()) == {36}


def test_counts_on_the_card_are_those_of_the_rows(rows: Rows, card: str) -> None:
    counts = card.split("\n## Counts\n", 1)[1]
    shown_areas = list(_table(counts, "Area"))
    assert [cells[0] for cells in shown_areas] == [*sorted({row["area"] for row in rows}), "all"]
    for area, *shown in shown_areas:
        levels = Counter(row["urgency"] for row in rows if area in (row["area"], "all"))
        expected = [levels.total(), *(levels[urgency] for urgency in _URGENCIES)]
        assert [int(cell) for cell in shown] == expected, area
    for heading, key in (("Nation", "nation"), ("Register", "register")):
        shown_counts = {name: int(count) for name, count in _table(counts, heading)}
        assert shown_counts == Counter(row[key] for row in rows)
    words = [len(row["enquiry"].split()) for row in rows]
    short, long = sum(n < 30 for n in words), sum(n > 60 for n in words)
    lengths = [int(count) for _, count in _table(counts, "Length of the enquiry")]
    assert lengths == [short, len(words) - short - long, long]


@pytest.mark.parametrize("kind", _PERSONAL)
def test_no_row_holds_a_pattern_of_personal_data(rows: Rows, kind: str) -> None:
    written, example = _PERSONAL[kind]
    pattern = re.compile(written, re.IGNORECASE)
    assert pattern.search(example)
    texts = {row["id"]: f"{row['region']}. {row['enquiry']} {row['reason']}" for row in rows}
    assert [name for name, text in texts.items() if pattern.search(text)] == []


def test_no_two_families_tell_the_same_in_nearly_the_same_words(rows: Rows) -> None:
    texts = [
        (row["family"], row["id"], frozenset(re.findall(r"[a-z0-9']+", row["enquiry"].lower())))
        for row in rows
    ]
    near = [
        (one, other)
        for (family, one, left), (others, other, right) in combinations(texts, 2)
        if family != others and len(left & right) >= _NEAR_COPY * len(left | right)
    ]
    assert near == []


def test_enquiry_and_reason_keep_to_their_form(rows: Rows) -> None:
    for row in rows:
        assert 12 <= len(row["enquiry"].split()) <= 110, row["id"]
        assert row["enquiry"].splitlines() == [row["enquiry"].strip()], row["id"]
        assert row["reason"].splitlines() == [row["reason"].strip()], row["id"]
        assert 6 <= len(row["reason"].split()) <= 16, row["id"]
        assert not row["reason"].endswith("."), row["id"]
        assert not row["reason"][0].isupper(), row["id"]
