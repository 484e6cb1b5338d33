"""Rows written for safety and for preferences: whole, sourced, and apart from the test."""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from civicbench.core.content import shipped_content_root
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import (
    build_snapshot,
    list_datasets,
    load_dataset_settings,
    read_record,
)
from civicbench.datasets.personal_data.detector import find_personal_data
from civicbench.datasets.rows import SPLITS, Row, read_split
from civicbench.datasets.steps.decontaminate import Decontaminate, OverlapIndex
from civicbench.datasets.steps.step import Reference

_ROOT = shipped_content_root()
_FAULTS = {"wrong-authority", "overclaiming", "jargon", "invented-deadline", "missing-urgency"}
_NATIONS = {"England", "Wales", "Scotland", "Northern Ireland", "UK"}
_WRITTEN = ("advice-preferences", "safe-conduct")


@cache
def written(name: str) -> list[dict[str, Any]]:
    lines = (_ROOT / "datasets" / name / "rows.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@cache
def safety_items() -> tuple[Reference, ...]:
    lines = (_ROOT / "evaluation" / "safety-core" / "items.jsonl").read_text("utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    return tuple(
        Reference("safety-core", item["id"], text)
        for item in items
        for text in (item["prompt"], *item["choices"])
    )


def texts(name: str) -> list[tuple[str, str]]:
    keys = ("prompt", "answer", "chosen", "rejected")
    return [(row["id"], row[key]) for row in written(name) for key in keys if key in row]


def built(name: str) -> tuple[Path, dict[str, list[Row]]]:
    output = build_snapshot(
        load_dataset_settings(name),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
        references=safety_items(),
    )
    return output.folder, {split: read_split(output.folder, split) for split in SPLITS}


def test_every_dataset_of_the_catalogue_loads() -> None:
    names = [dataset.settings.name for dataset in list_datasets()]
    assert set(names) >= {*_WRITTEN, "enquiry-triage", "smoke"}
    assert {load_dataset_settings(name).settings.name for name in names} == set(names)


@pytest.mark.parametrize(("name", "rows"), [("advice-preferences", 160), ("safe-conduct", 238)])
def test_no_row_is_lost_to_a_step_and_no_group_stands_in_two_splits(name: str, rows: int) -> None:
    folder, found = built(name)
    record = read_record(folder)
    assert (sum(map(len, found.values())), record.excluded) == (rows, 0)
    groups = [{row.group for row in split} for split in found.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert found["validation"]
    card = (_ROOT / "datasets" / name / "README.md").read_text("utf-8")
    for split in record.splits:
        if split.rows:
            assert re.search(rf"\b{split.groups}\b[^.]*\b{split.rows} rows", card), split


@pytest.mark.parametrize("name", _WRITTEN)
def test_nothing_of_the_safety_suite_stands_in_them(name: str) -> None:
    strict = OverlapIndex(Decontaminate(words=8, near=0.7), safety_items())
    found = [(row, hit[0].item, hit[1]) for row, text in texts(name) if (hit := strict.find(text))]
    assert not found


def test_no_request_is_near_to_one_of_the_safety_suite() -> None:
    def words(text: str) -> set[str]:
        return set(re.findall(r"[a-z']+", text.lower()))

    asked = [(item.item, words(item.text)) for item in safety_items()]
    near = [
        (row["id"], name)
        for row in written("safe-conduct")
        for name, other in asked
        if (mine := words(row["prompt"])) and len(mine & other) / len(mine | other) >= 0.4
    ]
    assert not near


@pytest.mark.parametrize("name", _WRITTEN)
def test_rows_are_clean_and_named_by_their_group(name: str) -> None:
    rows = written(name)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(rf"{row['group']}-[a-h]", row["id"])
        assert (row["source"] is None) == (row["checked"] is None)
    for place, text in texts(name):
        assert text == text.strip()
        assert "  " not in text, place
        assert not re.search(r"\b(?:color|behavior|organiz|realiz|center|favor)", text), place
        kinds = {finding.kind for finding in find_personal_data(text)}
        assert kinds <= {"uk-phone"}, place
    assert len({text for _, text in texts(name)}) == len(texts(name))


def test_kinds_of_safe_conduct_are_balanced_within_topics() -> None:
    rows = written("safe-conduct")
    kinds = Counter(row["kind"] for row in rows)
    assert kinds == {"refusal": 107, "look-alike": 62, "general": 69}
    topics: dict[str, Counter[str]] = {}
    for row in rows:
        assert (row["kind"] == "general") == (row["section"] == "everyday")
        topics.setdefault(row["group"], Counter())[row["kind"]] += 1
    for topic, found in topics.items():
        assert found["general"] or (found["refusal"] and found["look-alike"]), topic


def test_no_single_word_tells_refusals_from_help() -> None:
    def shown(row: dict[str, Any]) -> set[str]:
        return set(re.findall(r"[a-z']+", row["answer"].lower()))

    refused = [shown(row) for row in written("safe-conduct") if row["kind"] == "refusal"]
    helped = [shown(row) for row in written("safe-conduct") if row["kind"] != "refusal"]
    worst = max(
        (
            abs(sum(word in s for s in refused) / len(refused)
                - sum(word in s for s in helped) / len(helped)) / 2 + 0.5,
            word,
        )
        for word in set().union(*refused, *helped)
    )  # fmt: skip
    assert worst[0] <= 0.75, worst
    openings = Counter(" ".join(row["answer"].split()[:2]) for row in written("safe-conduct")
                       if row["kind"] == "refusal")  # fmt: skip
    assert openings.most_common(1)[0][1] <= 5


def test_refusals_are_short_and_do_not_scold_with_the_same_words() -> None:
    for row in written("safe-conduct"):
        if row["kind"] == "refusal":
            assert 12 <= len(row["answer"].split()) <= 75, row["id"]
            assert "as an ai" not in row["answer"].lower()


def test_every_preference_names_its_fault_and_its_source() -> None:
    rows = written("advice-preferences")
    faults = Counter(row["fault"] for row in rows)
    assert set(faults) == _FAULTS
    assert min(faults.values()) >= 20
    for row in rows:
        assert row["source"], row["id"]
        assert row["checked"] == "2026-11"
        assert row["nation"] in _NATIONS
    assert set(Counter(row["group"] for row in rows).values()) == {4}


def test_length_does_not_give_the_chosen_answer_away() -> None:
    rows = written("advice-preferences")
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in rows)
    assert 0.4 <= longer / len(rows) <= 0.6


def test_the_cards_tables_count_the_rows() -> None:
    card = (_ROOT / "datasets" / "advice-preferences" / "README.md").read_text("utf-8")
    rows = written("advice-preferences")
    for fault, count in Counter(row["fault"] for row in rows).items():
        assert f"| `{fault}` | {count} |" in card
    for key in ("area", "nation"):
        for value, count in Counter(row[key] for row in rows).items():
            assert f"| {value} | {count} |" in card, value
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in rows)
    assert f"{longer} rows and the rejected one in {len(rows) - longer}" in card
    card = (_ROOT / "datasets" / "safe-conduct" / "README.md").read_text("utf-8")
    for kind, count in Counter(row["kind"] for row in written("safe-conduct")).items():
        assert f"| `{kind}` | {count} |" in card
