"""Hostile and unlucky input on the way to a snapshot: an error or a listed exclusion each."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.datasets.project import OWN, Project, pinned, row

from civicbench.core.errors import CivicbenchError, InvalidInputError

CLEAN = {"step": "personal-data", "action": "refuse"}
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><publicwhip><speech id="x">&c;</speech></publicwhip>'
)
ALIASES = "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c]\n"


def nothing_is_left(home: Path) -> bool:
    return not [p for p in (home / "snapshots").rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("reader", "content"),
    [("parldata", BOMB), ("akoma-ntoso", BOMB), ("yaml", ALIASES)],
)
def test_a_bomb_of_entities_or_aliases_stops_the_build(
    project: Project, home: Path, reader: str, content: str
) -> None:
    part = project.put("https://example.org/bomb", content.encode())
    project.declare(source=pinned("bomb", part, reader=reader))
    with pytest.raises(InvalidInputError):
        project.build()
    assert nothing_is_left(home)


def test_an_alias_bomb_in_the_settings_is_refused(project: Project) -> None:
    (project.folder / "dataset.yaml").write_text(ALIASES)
    with pytest.raises(InvalidInputError, match="aliases"):
        project.build()


def test_a_field_of_a_million_characters_is_excluded_by_length(project: Project) -> None:
    lines = ["id,family,question,answer", f'1,a,"{"long " * 200_000}",It is.', "2,b,Short?,It is."]
    part = project.put("https://example.org/a.csv", "\n".join(lines).encode())
    length = {"step": "filter-length", "fields": ["question"], "maximum_characters": 4000}
    project.declare(
        source=pinned("long", part, reader="csv"), steps=[length, {"step": "near-duplicates"}]
    )
    built = project.build()
    assert built.ids == ["2"]
    assert [(e["place"], e["reason"], e["detail"]) for e in built.excluded] == [
        ("a.csv:2", "question is too long", "999999 characters")
    ]
    assert max(len(example) for example in built.step("filter-length").examples) < 400


def test_a_field_of_a_million_characters_may_pass_every_step(project: Project) -> None:
    lines = ["id,family,question,answer", f'1,a,"{"long " * 200_000}",It is.']
    part = project.put("https://example.org/a.csv", "\n".join(lines).encode())
    steps: list[dict[str, Any]] = [
        {"step": "normalise"}, {"step": "near-duplicates"}, {"step": "decontaminate"},
        {"step": "personal-data", "action": "redact"},
    ]  # fmt: skip
    project.declare(source=pinned("long", part, reader="csv"), steps=steps)
    assert project.build().ids == ["1"]


def test_a_row_laden_with_personal_data_is_redacted_everywhere(project: Project) -> None:
    secrets = ["943 476 5919", "AB123456C", "07700 900123", "SW1A 1AA", "ann@example.org"]
    laden = f"I am Ann, NHS number {secrets[0]}, NI {secrets[1]}, ring {secrets[2]}, {secrets[3]}"
    rows = [row(1, question=f"{laden}, {secrets[4]}"), row(2, question=f"No. {laden}", answer="")]
    source = {"file": "rows.jsonl", "mistakes": "exclude", **OWN}
    project.declare(source=source, steps=[{"step": "personal-data", "action": "redact"}])
    project.write_rows(rows)
    built = project.build()
    # The second was left out before it was redacted: no report may show it either.
    whole = "".join(path.read_text() for path in built.folder.iterdir())
    assert not [secret for secret in secrets if secret in whole]
    assert built.step("personal-data").changed[0].rows == 1


def test_a_row_with_personal_data_may_stop_the_build(project: Project, home: Path) -> None:
    project.declare(steps=[CLEAN])
    project.write_rows([row(1), row(2, question="Ring 07700 900123 for the council")])
    with pytest.raises(InvalidInputError, match="1 rows cannot be used") as caught:
        project.build()
    assert "rows.jsonl:2: uk-phone" in str(caught.value)
    assert "07700" not in str(caught.value)
    assert nothing_is_left(home)


def test_a_row_in_another_language_is_excluded_and_listed(project: Project) -> None:
    welsh = "Mae gan bawb yr hawl i dderbyn gwasanaeth yn Gymraeg gan y cyngor"
    step = {"step": "filter-language", "fields": {"question": "en"}, "among": ["cy"]}
    project.declare(steps=[step])
    project.write_rows([row(1), row(2, question=welsh)])
    built = project.build()
    assert built.ids == ["r1"]
    assert built.excluded[0] == {
        "step": "filter-language",
        "source": "rows.jsonl",
        "place": "rows.jsonl:2",
        "reason": "question is in another language",
        "detail": "cy, wanted en",
    }


def test_a_licence_that_does_not_fit_stops_the_build_before_a_file_is_looked_for(
    project: Project, home: Path
) -> None:
    part = {"url": "https://example.org/nowhere.jsonl", "sha256": "0" * 64}
    source = pinned("shared alike", part, reader="jsonl", licence="CC-BY-SA-4.0")
    project.declare(source=source, steps=[{"step": "licences", "purpose": "publish"}])
    with pytest.raises(InvalidInputError, match="may not be used for the purpose 'publish'") as e:
        project.build()
    assert "shared alike: CC-BY-SA-4.0" in str(e.value)
    assert not home.exists() or nothing_is_left(home)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 500, b"\x89PNG\r\n", b"not json\n" * 200, b"\xff\xfe\x00", b"[" * 200_000],
)
def test_bytes_of_another_kind_are_a_clear_error(
    project: Project, home: Path, content: bytes
) -> None:
    part = project.put("https://example.org/rows.jsonl", content)
    project.declare(source=pinned("odd", part, reader="jsonl"))
    with pytest.raises(CivicbenchError) as caught:
        project.build()
    assert "rows.jsonl" in str(caught.value)
    assert nothing_is_left(home)


def test_odd_characters_come_back_as_they_were(project: Project) -> None:
    odd = 'tab\there, \u2028 line, \u0085 next, \\ slash, " quote, 😀, {braces}'
    rows = [row(1, question=odd, family="g\tone"), row(2)]
    part = project.put("https://example.org/a\u0301.jsonl".replace("a\u0301", "a"),
                       "".join(json.dumps(r) + "\n" for r in rows).encode())  # fmt: skip
    project.declare(source=pinned("odd\tname", part, reader="jsonl"))
    built = project.build()
    assert built.rows["train"][0].messages[0].content == odd
    assert built.rows["train"][0].group == "g\tone"


def test_a_full_disk_leaves_no_snapshot(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from civicbench.datasets import spool

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    project.declare()
    project.write_rows([row(1), row(2)])
    monkeypatch.setattr(spool.Spool, "add", fail)
    with pytest.raises(CivicbenchError, match="no space left"):
        project.build()
    assert nothing_is_left(home)
