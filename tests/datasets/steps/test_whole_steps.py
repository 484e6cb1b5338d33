"""Steps that decide over all rows: what stays, and for whose sake a row goes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.steps.judging import causes, kept

from civicbench.datasets.steps.shingles import bands_for, overlap, pieces
from civicbench.datasets.steps.step import Fields

EXACT = {"step": "exact-duplicates"}
NEAR = {"step": "near-duplicates", "threshold": 0.8}
WORDS = [
    *("council", "tax", "housing", "benefit", "school", "place", "bus"),
    *("pass", "bin", "day", "form", "office", "letter"),
]


def pair(en: str, cy: str = "x") -> Fields:
    return {"en": en, "cy": cy}


def test_the_first_of_copies_stays_and_the_others_name_it() -> None:
    rows = [pair("a"), pair("b"), pair("a"), pair("a", "y"), pair("b"), pair("a")]
    assert causes(EXACT, rows) == [-1, -1, 0, -1, 1, 0]
    assert causes({**EXACT, "fields": ["en"]}, rows) == [-1, -1, 0, 0, 1, 0]


def test_copies_may_differ_in_case_and_punctuation_when_folded() -> None:
    rows = [pair("The form."), pair("the form"), pair("The  form!"), pair("The forms")]
    assert kept(EXACT, rows) == [0, 1, 2, 3]
    assert kept({**EXACT, "fold": True}, rows) == [0, 3]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=30))
def test_exact_duplicates_are_those_of_a_plain_set(shapes: list[tuple[str, str]]) -> None:
    seen: dict[tuple[str, str], int] = {}
    expected = []
    for number, shape in enumerate(shapes):
        expected.append(seen.setdefault(shape, number))
    expected = [-1 if first == n else first for n, first in enumerate(expected)]
    if shapes:
        assert causes(EXACT, [pair(*shape) for shape in shapes]) == expected


def test_near_duplicates_are_those_of_a_brute_comparison() -> None:
    chance = random.Random(3)
    rows: list[Fields] = []
    for _ in range(150):
        words = chance.choices(WORDS, k=12)
        rows.append(pair(" ".join(words)))
        for _ in range(chance.randrange(3)):
            changed = list(words)
            for _ in range(chance.randrange(1, 4)):
                changed[chance.randrange(12)] = chance.choice(WORDS)
            rows.append(pair(" ".join(changed)))
    chance.shuffle(rows)
    found = [pieces(f"{row['en']}\x1f{row['cy']}") for row in rows]
    expected: list[int] = []
    for number, mine in enumerate(found):
        if all(overlap(mine, found[other]) < 0.8 for other in expected):
            expected.append(number)
    assert len(rows) - len(expected) > 0
    # A pair at the very threshold may be missed once in a thousand.
    assert len(set(kept(NEAR, rows)) ^ set(expected)) <= 1


def test_a_near_duplicate_names_a_row_that_stays() -> None:
    rows = [pair("Tell us about a change in your circumstances"), pair("Something else entirely"),
            pair("Tell us about a change in your circumstance")]  # fmt: skip
    assert causes(NEAR, rows) == [-1, -1, 0]


def test_thousands_of_rows_of_one_template_are_compared_in_no_time() -> None:
    rows = [pair(f"Form {n:05d} must reach the office by the end of month {n % 97}")
            for n in range(4000)]  # fmt: skip
    assert kept({"step": "near-duplicates", "threshold": 0.95}, rows)


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.85, 0.9, 0.95, 1.0])
def test_bands_miss_at_most_one_pair_in_a_thousand(threshold: float) -> None:
    share = min(threshold, 0.999)
    assert (1 - share**8) ** bands_for(threshold) <= 1e-3


def test_balance_keeps_the_same_rows_whatever_their_order() -> None:
    rows: list[Fields] = [{"en": f"{n}", "cy": "x", "area": "A" if n % 4 else "B"}
                          for n in range(40)]  # fmt: skip
    step = {"step": "balance", "by": "area", "at_most": 12}
    first = {rows[n]["en"] for n in kept(step, rows)}
    areas = [str(row["area"]) for row in rows if row["en"] in first]
    assert (areas.count("A"), areas.count("B")) == (12, 10)
    turned = rows[::-1]
    assert {turned[n]["en"] for n in kept(step, turned)} == first
    other = {rows[n]["en"] for n in kept({**step, "seed": 1}, rows)}
    assert other != first


def test_balance_by_ratio_follows_the_rarest_value() -> None:
    rows: list[Fields] = [{"en": f"{n}", "area": "A" if n % 4 else "B"} for n in range(40)]
    assert len(kept({"step": "balance", "by": "area", "ratio": 1.5}, rows)) == 15 + 10
    assert kept({"step": "balance", "by": "area", "ratio": 3.0}, rows) == list(range(40))
