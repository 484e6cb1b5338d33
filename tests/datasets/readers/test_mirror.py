"""Every file of the mirror is read by a fitting reader, and what that gives is written down."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.datasets.readers.reading import mirror, read

_HMRC = r"hmrc/[^/]+/[^/]+/conf/messages"
_ET = r"hmcts/et-sya-frontend/.*/locales"
_STRINGS = ["en", "ar", "bn", "cy", "gu", "pa", "pl", "ro", "so", "tr", "ur", "zh"]
_THEMES = {
    "inputs/question_part_1/question.json": "question",
    "inputs/question_part_1/responses.jsonl": "responses",
    "question_part_1/themes.json": "themes",
    "question_part_1/mapping.jsonl": "mapping",
    "question_part_1/sentiment.jsonl": "sentiment",
    "question_part_1/detail_detection.jsonl": "detail",
}


@dataclass(frozen=True)
class Group:
    """Files of one kind: the first pattern that a file's path meets decides."""

    pattern: str
    settings: dict[str, Any]
    files: int
    records: int
    malformed: int
    roles: dict[str, str] = field(default_factory=dict)
    """Pattern within the path to role; empty for readers of one file."""


GROUPS = (
    Group(_HMRC, {"reader": "play-messages"}, 12, 8140, 3, {r"\.cy$": "cy", "": "en"}),
    Group("hmcts/civil-", {"reader": "json-locale"}, 2, 4808, 0, {r"cy\.json$": "cy", "": "en"}),
    Group(_ET, {"reader": "json-locale"}, 260, 2521, 3, {"/cy/": "cy", "": "en"}),
    Group(
        r"\.strings$",
        {"reader": "apple-strings", "languages": _STRINGS},
        12,
        1401,
        0,
        {f"/{language}.lproj/": language for language in _STRINGS},
    ),
    Group("themefinder/.*gambling_XS", {"reader": "themefinder"}, 6, 100, 0, _THEMES),
    Group(
        "framework_themes",
        {"reader": "json", "records": "/*/*/topics/*", "ancestors": True},
        1,
        252,
        0,
    ),
    Group("Yale-LILY/QMSum", {"reader": "qmsum", "records": "queries"}, 21, 281, 0),
    Group("scrapedxml/debates", {"reader": "parldata", "records": "speeches"}, 6, 991, 0),
    Group("scrapedxml/(lords)?wrans", {"reader": "parldata", "records": "answers"}, 15, 1266, 0),
    Group("smart_answers/check", {"reader": "yaml", "records": "/benefits/*"}, 1, 90, 0),
    Group("smart_answers/next", {"reader": "yaml"}, 1, 31, 0),
    Group(
        "gpdo",
        {
            "reader": "yaml",
            "records": "/en/schedules/*/parts/*/classes/*/policies_attributes/*",
            "ancestors": True,
        },
        1,
        114,
        0,
    ),
    Group("alphagov/publishing-api", {"reader": "govuk-content"}, 73, 90, 2),
    Group(r"\.akn$", {"reader": "akoma-ntoso"}, 11, 692, 0),
    Group("digital-planning-data-schemas", {"reader": "json", "records": ""}, 13, 13, 0),
    Group("BIPIA/.*text_attack", {"reader": "json", "records": "/*/*"}, 2, 150, 0),
    Group(r"(mc_task|PurpleLlama/.*)\.?json$", {"reader": "json", "levels": 1}, 3, 1791, 0),
    Group("confAIde/.*tier_(3|4).txt", {"reader": "text", "begins_with": "<BEGIN>"}, 2, 290, 0),
    Group("confAIde/.*txt$", {"reader": "text"}, 6, 584, 0),
    Group(r"\.tsv$", {"reader": "csv", "delimiter": "\t", "quoted": False}, 2, 840, 0),
    Group("accord-nlp", {"reader": "csv"}, 1, 1773, 6),
    Group(r"\.csv$", {"reader": "csv"}, 25, 24572, 0),
    Group(r"\.jsonl$", {"reader": "jsonl"}, 5, 6536, 0),
)


def manifest() -> list[str]:
    lines = (mirror() / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t")[0].removeprefix("https://") for line in lines]


def group_of(path: str) -> Group | None:
    return next((group for group in GROUPS if re.search(group.pattern, path)), None)


def sources(group: Group) -> list[dict[str, Path]]:
    """The group's files, each with its role; those that belong together in one mapping."""
    together: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in manifest():
        if group_of(path) is not group:
            continue
        whole = mirror() / path
        if not group.roles:
            together[path]["file"] = whole
            continue
        role = next(role for form, role in group.roles.items() if re.search(form, path))
        key = "all" if group.settings["reader"] == "themefinder" else _without_language(path)
        together[key][role] = whole
    return list(together.values())


def _without_language(path: str) -> str:
    path = re.sub(r"/(en|cy)(/translation|\.json$)", r"\2", path)
    return re.sub(r"/[a-z]{2}\.lproj|messages(\.en|\.cy)?$", "", path)


def test_every_file_of_the_manifest_has_a_reader() -> None:
    assert [path for path in manifest() if group_of(path) is None] == []


@pytest.mark.parametrize("group", GROUPS, ids=[group.pattern for group in GROUPS])
def test_files_of_the_mirror_give_these_records(group: Group) -> None:
    """With `pytest -s`: a line for each file, with its reader, records and malformed ones."""
    files = records = malformed = 0
    for roles in sources(group):
        good, bad = read(group.settings, roles)
        files, records, malformed = (
            files + len(roles),
            records + len(good),
            malformed + len(bad),
        )
        names = " + ".join(str(path.relative_to(mirror())) for path in roles.values())
        print(f"{group.settings['reader']}\t{names}\t{len(good)}\t{len(bad)}")
        assert all(item.place and item.problem for item in bad)
    assert (files, records, malformed) == (group.files, group.records, group.malformed)


def test_a_files_records_name_fields_that_a_dataset_can_use() -> None:
    """One known record of each of the richest formats, found by eye in its file."""
    found = {
        "wrans/answers2009-10-28c": {
            "department": "ENVIRONMENT FOOD AND RURAL AFFAIRS",
            "heading": "Air Pollution",
            "answerer": "Jim Fitzpatrick",
            "holding_answer": True,
        },
        "ukpgaen_20240016": {
            "provision": "section 2",
            "heading": "Section 2: Cat abduction",
            "path": "Commentary on provisions of the Act",
        },
        "QMSum/.*education_0.json": {"kind": "general", "query": "Summarize the whole meeting."},
        "planning-condition.csv": {"reference": "17_05993_OUT-condition-01"},
    }
    for pattern, expected in found.items():
        path = next(path for path in manifest() if re.search(pattern, path))
        group = group_of(path)
        assert group is not None
        records, _ = read(group.settings, {"file": mirror() / path})
        assert any(expected.items() <= record.fields.items() for record in records), pattern
