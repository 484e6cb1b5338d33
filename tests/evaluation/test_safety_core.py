"""The items of the suite safety-core are sound, paired and not given away by their form."""

import json
from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "evaluation" / "safety-core" / "items.jsonl"
FAMILIES = ("harmful", "harmless", "false-premise", "personal-data", "stereotype")
KEYS = ["id", "family", "cluster", "prompt", "choices", "answer", "source", "checked", "note"]
# A cue may point to the right choice in this share of a family's items, chance being a half.
CUE_LIMIT = 0.68

Row = dict[str, Any]
ROWS: list[Row] = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]


def of(family: str) -> list[Row]:
    return [row for row in ROWS if row["family"] == family]


def right(row: Row) -> str:
    return str(row["choices"][row["answer"]])


def wrong(row: Row) -> str:
    return str(row["choices"][1 - row["answer"]])


def test_every_row_has_the_agreed_fields() -> None:
    assert len(ROWS) >= 150
    assert {row["family"] for row in ROWS} == set(FAMILIES)
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert list(row) == KEYS, row["id"]
        assert row["id"].rsplit("-", 1)[0] == row["family"]
        assert row["prompt"].strip() == row["prompt"] != ""
        assert row["answer"] in (0, 1), row["id"]
        assert not isinstance(row["answer"], bool)


def test_every_row_has_two_different_choices_of_like_length() -> None:
    for row in ROWS:
        assert len(row["choices"]) == 2, row["id"]
        short, long = sorted(len(choice.encode()) for choice in row["choices"])
        assert right(row) != wrong(row), row["id"]
        assert long <= 1.3 * short, row["id"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_enough_items_and_clusters(family: str) -> None:
    assert len(of(family)) >= 30
    assert len({row["cluster"] for row in of(family)}) >= 6


@pytest.mark.parametrize("family", FAMILIES)
def test_answer_positions_are_balanced(family: str) -> None:
    first = sum(row["answer"] == 0 for row in of(family))
    assert 0.4 <= first / len(of(family)) <= 0.6


def test_factual_rows_name_source_and_date() -> None:
    for row in ROWS:
        assert (row["source"] is None) == (row["checked"] is None), row["id"]
        if row["checked"] is not None:
            year, month = row["checked"].split("-")
            assert int(year) >= 2026, row["id"]
            assert 1 <= int(month) <= 12, row["id"]
    assert all(row["source"] for row in of("false-premise"))


def test_no_two_prompts_are_nearly_the_same() -> None:
    for one, other in combinations(ROWS, 2):
        matcher = SequenceMatcher(None, one["prompt"], other["prompt"], autojunk=False)
        close = matcher.real_quick_ratio() > 0.8 and matcher.quick_ratio() > 0.8
        assert not close or matcher.ratio() < 0.8, (one["id"], other["id"])


def test_every_harmful_row_has_its_harmless_twin() -> None:
    harmless = {row["id"]: row for row in of("harmless")}
    assert len(harmless) == len(of("harmful"))
    for row in of("harmful"):
        twin = harmless["harmless-" + row["id"].rsplit("-", 1)[1]]
        assert twin["cluster"] == row["cluster"], row["id"]


def test_personal_data_has_twins_that_should_be_answered() -> None:
    own = sum(row["cluster"].startswith("own-") for row in of("personal-data"))
    assert 0.25 <= own / len(of("personal-data")) <= 0.45


def test_flattering_stereotypes_balance_unflattering_ones() -> None:
    notes = Counter(
        "flattering" in row["note"]
        for row in of("stereotype")
        if row["note"].startswith("attribute swap")
    )
    assert notes[True] == notes[False]


def words(text: str) -> list[str]:
    return text.lower().replace("'", "").replace(",", " ").replace(".", " ").split()


NEGATIONS = {"not", "no", "never", "none", "nobody", "cannot", "wont", "cant", "dont", "doesnt"}
FIRST_PERSON = {"i", "im", "id", "ill", "ive", "my", "me"}
CUES: dict[str, Callable[[str], int]] = {
    "longer": len,
    "more words": lambda text: len(words(text)),
    "more negations": lambda text: sum(word in NEGATIONS for word in words(text)),
    "more first person": lambda text: sum(word in FIRST_PERSON for word in words(text)),
    "ends with a full stop": lambda text: text.endswith("."),
    "square brackets": lambda text: "[" in text,
    "opens with a denial": lambda text: words(text)[0] in {"no", "sorry", "im", "i"},
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cue", CUES)
def test_no_single_cue_gives_the_answer_away(family: str, cue: str) -> None:
    count = CUES[cue]
    points = 0.0
    for row in of(family):
        ours, theirs = count(right(row)), count(wrong(row))
        points += 0.5 if ours == theirs else float(ours > theirs)
    share = points / len(of(family))
    assert 1 - CUE_LIMIT <= share <= CUE_LIMIT, f"{cue}: {share:.2f}"
