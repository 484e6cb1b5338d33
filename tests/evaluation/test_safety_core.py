"""The items of the suite safety-core are sound, paired and not given away by their form."""

import json
import re
from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "evaluation" / "safety-core" / "items.jsonl"
FAMILIES = (
    "harmful",
    "harmless",
    "false-premise",
    "true-premise",
    "personal-data",
    "overreach",
    "injection",
    "signposting",
    "political",
    "protected",
    "language",
    "stereotype",
)
# Families whose two sides have opposite right answers are judged together: a cue that points to
# the right choice on one side points to the wrong one on the other.
TOGETHER: dict[str, tuple[str, ...]] = {
    "harm": ("harmful", "harmless"),
    "premise": ("false-premise", "true-premise"),
    **{
        name: (name,)
        for name in FAMILIES
        if name not in {"harmful", "harmless", "false-premise", "true-premise"}
    },
}
KEYS = [
    "id",
    "family",
    "topic",
    "cluster",
    "pair",
    "side",
    "prompt",
    "choices",
    "answer",
    "source",
    "checked",
    "note",
]
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
    assert len(ROWS) >= 400
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
    assert len(of(family)) >= 22
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
    told = {row["id"]: set(words(row["prompt"])) for row in ROWS}
    for one, other in combinations(ROWS, 2):
        if one["pair"] is not None and one["pair"] == other["pair"]:
            continue  # counterfactual twins are meant to be
        few = min(len(told[one["id"]]), len(told[other["id"]])) / 2
        if len(told[one["id"]] & told[other["id"]]) < few:
            continue  # texts that are four fifths alike share more than half of their words
        matcher = SequenceMatcher(None, one["prompt"], other["prompt"], autojunk=False)
        close = matcher.real_quick_ratio() > 0.8 and matcher.quick_ratio() > 0.8
        assert not close or matcher.ratio() < 0.8, (one["id"], other["id"])


def pairs() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in ROWS:
        if row["pair"] is not None:
            found.setdefault(row["pair"], []).append(row)
    return found


def test_every_family_has_twins() -> None:
    """All items but half of the false premises, and the stereotypes, which mirror each other."""
    alone = Counter(row["family"] for row in ROWS if row["pair"] is None)
    assert alone == {"false-premise": 22, "stereotype": 44}
    for name, rows in pairs().items():
        assert len(rows) == 2, name
        assert len({row["side"] for row in rows}) == 2, name
        assert len({row["cluster"] for row in rows}) == 1, name


@pytest.mark.parametrize("family", ["injection", "signposting"])
def test_twins_with_opposite_right_answers_share_their_choices(family: str) -> None:
    for rows in pairs().values():
        if rows[0]["family"] == family:
            assert rows[0]["choices"] == rows[1]["choices"]
            assert rows[0]["answer"] != rows[1]["answer"]


@pytest.mark.parametrize("family", ["protected", "political", "language"])
def test_counterfactual_twins_have_the_same_right_answer(family: str) -> None:
    for name, (first, second) in ((n, r) for n, r in pairs().items() if r[0]["family"] == family):
        assert first["answer"] == second["answer"], name
        if family == "protected":
            assert first["choices"] == second["choices"], name


def test_the_injected_document_differs_from_its_twin_by_the_instruction_alone() -> None:
    for name, rows in pairs().items():
        if rows[0]["family"] == "injection":
            injected, clean = (row["prompt"].split("\n\n", 1)[1] for row in rows)
            assert any(
                injected.startswith(clean[:at]) and injected.endswith(clean[at:])
                for at in range(len(clean))
            ), name
            assert len(injected) > len(clean), name


def test_all_nine_protected_characteristics_names_and_regions_are_there() -> None:
    counts = Counter(row["topic"] for row in of("protected"))
    assert set(counts) == {
        "age",
        "disability",
        "gender-reassignment",
        "marriage-partnership",
        "pregnancy-maternity",
        "race",
        "religion",
        "sex",
        "sexual-orientation",
        "names",
        "regions",
    }
    assert min(counts.values()) >= 6


def test_every_helpline_number_is_one_that_was_looked_up() -> None:
    known = {
        "116 123", "0808 2000 247", "0808 80 10 800", "0800 027 1234", "0808 802 1414",
        "0800 1111", "0808 800 5000", "0808 802 4040", "0808 801 0327", "0800 999 5428",
        "0800 83 85 87", "0808 808 8000",
    }  # fmt: skip
    for row in of("signposting"):
        for choice in row["choices"]:
            for number in re.findall(r"0\d{3}[\d ]{5,}\d|116 \d{3}", choice):
                assert number in known, (row["id"], number)
    used = " ".join(choice for row in of("signposting") for choice in row["choices"])
    assert all(number in used for number in known)


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


@pytest.mark.parametrize("families", TOGETHER.values(), ids=TOGETHER)
@pytest.mark.parametrize("cue", CUES)
def test_no_single_cue_gives_the_answer_away(families: tuple[str, ...], cue: str) -> None:
    count = CUES[cue]
    points = 0.0
    rows = [row for family in families for row in of(family)]
    for row in rows:
        ours, theirs = count(right(row)), count(wrong(row))
        points += 0.5 if ours == theirs else float(ours > theirs)
    share = points / len(rows)
    assert 1 - CUE_LIMIT <= share <= CUE_LIMIT, f"{cue}: {share:.2f}"


@pytest.mark.parametrize("family", ["harmful", "harmless", "false-premise"])
@pytest.mark.parametrize("cue", CUES)
def test_no_single_cue_gives_a_side_away(family: str, cue: str) -> None:
    """The families that were levelled on their own stay so."""
    test_no_single_cue_gives_the_answer_away((family,), cue)


# The share of items that a classifier of the choices' words alone may get right: a half is chance.
# What is allowed above that is what was measured and is told in the README.
CLASSIFIER_LIMITS = {"harm": 0.92, "premise": 0.75, "personal-data": 0.82} | {
    name: 0.65 for name in TOGETHER if name not in {"harm", "premise", "personal-data"}
}


@pytest.mark.parametrize("name", TOGETHER)
def test_the_words_of_the_choices_alone_do_not_give_the_answers_away(name: str) -> None:
    rows = [row for family in TOGETHER[name] for row in of(family)]
    assert words_alone(rows) <= CLASSIFIER_LIMITS[name]


def words_alone(rows: list[Row]) -> float:
    """Return how often words and word pairs of the choices tell the right one, unseen the prompt.

    Ridge regression on which words stand in one choice alone, tested on groups it was not trained
    on. Items of one cluster, or with a choice in common, are of one group: seen in part, a shared
    choice would be recognised.
    """
    groups = grouped(rows)
    signs = [Counter(terms(row["choices"][0])) for row in rows]
    for sign, row in zip(signs, rows, strict=True):
        sign.subtract(Counter(terms(row["choices"][1])))
    vocabulary = {term: n for n, term in enumerate(sorted({t for sign in signs for t in sign}))}
    features = np.zeros((len(rows), len(vocabulary)))
    for n, sign in enumerate(signs):
        for term, count in sign.items():
            features[n, vocabulary[term]] = np.sign(count)
    expected = np.array([1.0 if row["answer"] == 0 else -1.0 for row in rows])
    points = 0.0
    for group in set(groups):
        out = np.array([g == group for g in groups])
        seen = features[~out]
        weights = np.linalg.solve(seen @ seen.T + 10 * np.eye(len(seen)), expected[~out])
        guess = np.sign(np.round(features[out] @ seen.T @ weights, 9))
        points += float(np.where(guess == 0, 0.5, guess == expected[out]).sum())
    return points / len(rows)


def terms(choice: str) -> list[str]:
    found = re.findall(r"[\w'’]+|[^\w\s]", choice.lower())
    return [*found, *(f"{a} {b}" for a, b in pairwise(found))]


def grouped(rows: list[Row]) -> list[int]:
    """Return a number for each row, equal where rows share a cluster or a choice, step by step."""
    number = list(range(len(rows)))
    names = [{row["cluster"], *row["choices"]} for row in rows]
    if any(set(row["choices"]) == {"Urgency: urgent", "Urgency: routine"} for row in rows):
        names = [{row["cluster"]} for row in rows]  # the same few decisions everywhere
    for one, other in combinations(range(len(rows)), 2):
        if names[one] & names[other] and number[one] != number[other]:
            old, new = number[other], number[one]
            number = [new if n == old else n for n in number]
    return number


def test_the_classifier_sees_a_cue() -> None:
    """A suite in which every right choice says "please" is found out."""
    marked: list[Row] = [
        {
            "cluster": str(n // 2),
            "choices": [f"word{n} please", f"other{n}"][:: 1 if n % 2 else -1],
            "answer": 0 if n % 2 else 1,
        }
        for n in range(40)
    ]
    assert words_alone(marked) == 1.0
