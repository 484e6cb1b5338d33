"""An ATRS record: measured from the evidence, written by people, and honest about what lacks."""

import pytest
from tests.registry.decided import enrol
from tests.registry.factory import make_evidence

from civicbench.core.errors import InvalidInputError
from civicbench.registry.atrs.fields import BY_KEY, FIELDS
from civicbench.registry.atrs.loading import load_record
from civicbench.registry.atrs.record import (
    ATRS_EDITED,
    AtrsRecord,
    edit_record,
    make_record,
    missing_fields,
    unread_drafts,
)
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary


def text_of(record: AtrsRecord, key: str) -> str:
    return next(value.text for value in record.values if value.key == key)


def test_keys_are_stable_and_unique_and_numbers_in_order() -> None:
    assert len(BY_KEY) == len(FIELDS)
    numbers = [[int(n) for n in f.number.split(".")] for f in FIELDS if f.number]
    assert numbers == sorted(numbers)
    # A key is a promise to every record that was ever written: add, never rename.
    assert {"organisation", "senior_responsible_owner", "model_performance", "risks",
            "impact_assessments", "companies_house_number"} <= set(BY_KEY)  # fmt: skip
    assert {field.tier for field in FIELDS} == {0, 1, 2}
    assert all(BY_KEY[f.only_if].key == "third_party_involvement" for f in FIELDS if f.only_if)


def test_measured_and_drafted_fields_have_texts_and_a_persons_have_none() -> None:
    evidence, _ = make_evidence(2)
    record = make_record(evidence, number=7, edits=())
    for value in record.values:
        assert bool(value.text) == (value.field.filled_by != "person"), value.key
        assert value.status == value.field.filled_by
    assert {field.filled_by for field in missing_fields(record)} == {"person"}
    assert evidence.digest in text_of(record, "model_version")
    assert {field.filled_by for field in unread_drafts(record)} == {"drafted"}


def test_the_performance_is_what_the_evidence_says() -> None:
    evidence, _ = make_evidence(2)
    text = text_of(make_record(evidence, number=1, edits=()), "model_performance")
    headline = [one for one in evidence.comparisons if one.headline]
    assert headline
    for one in headline:
        assert f"{one.tuned.value * 100:.1f}%" in text
        assert f"({one.tuned.low * 100:.1f}% to {one.tuned.high * 100:.1f}%)" in text


def test_what_tests_found_stands_beside_the_field_of_risks() -> None:
    evidence, _ = make_evidence(2, gate_passes=False)
    record = make_record(evidence, number=1, edits=())
    note = next(value.note for value in record.values if value.key == "risks")
    missed = [verdict.rule.name for verdict in evidence.gate.rules if not verdict.passed]
    assert missed
    assert all(name in note for name in missed)
    assert not text_of(record, "risks")


def test_an_edit_is_an_event_with_its_author_and_the_next_version_keeps_it(
    registry: Registry, version: VersionSummary
) -> None:
    keys = enrol(registry)
    before = len(missing_fields(load_record(registry, version.digest)))
    entry = edit_record(
        registry.log, model=version.model, signer=keys["eve"],
        texts={"team": "Digital advice", "third_party_involvement": "No", "name": "Triage"},
    )  # fmt: skip
    record = load_record(registry, version.digest)
    team = next(value for value in record.values if value.key == "team")
    assert (team.text, team.status, team.author) == ("Digital advice", "person", "eve")
    assert team.event == entry.event.sequence
    assert len(missing_fields(record)) == before - 2
    assert "name" not in {field.key for field in unread_drafts(record)}
    registry.verify()
    other, _ = make_evidence(5)
    entries = registry.log.entries(ATRS_EDITED, subject=version.model)
    assert text_of(make_record(other, number=2, edits=entries), "team") == "Digital advice"


def test_the_last_text_stands_and_can_be_taken_back(
    registry: Registry, version: VersionSummary
) -> None:
    keys = enrol(registry)
    for text in ("First", "Second", None):
        edit_record(registry.log, model=version.model, texts={"name": text}, signer=keys["ada"])
        expected = text or "enquiry-triage"
        assert text_of(load_record(registry, version.digest), "name") == expected
    assert len(registry.log.entries(ATRS_EDITED, subject=version.model)) == 3


@pytest.mark.parametrize(("answer", "needed"), [
    ("No", False), ("no supplier", False), ("None", False), ("n/a", False),
    ("Yes", True), ("Northern Data Ltd wrote it", True), ("Notional Ltd", True),
])  # fmt: skip
def test_a_suppliers_fields_are_needed_where_there_is_one(
    registry: Registry, version: VersionSummary, answer: str, needed: bool
) -> None:
    keys = enrol(registry)
    texts = {"third_party_involvement": answer}
    edit_record(registry.log, model=version.model, texts=texts, signer=keys["ada"])
    missing = {field.key for field in missing_fields(load_record(registry, version.digest))}
    assert ("companies_house_number" in missing) is needed


@pytest.mark.parametrize(("texts", "said"), [
    ({}, "no field"),
    ({"taem": "x"}, "team"),
    ({"model_performance": "perfect"}, "measured"),
    ({"team": "  "}, "empty"),
    ({"team": "x" * 20_001}, "longer"),
])  # fmt: skip
def test_bad_edits_are_refused_and_leave_no_event(
    registry: Registry, version: VersionSummary, texts: dict[str, str | None], said: str
) -> None:
    keys = enrol(registry)
    head = registry.head()
    with pytest.raises(InvalidInputError) as caught:
        edit_record(registry.log, model=version.model, texts=texts, signer=keys["ada"])
    assert said in str(caught.value)
    assert registry.head() == head


def test_an_auditor_reads_and_does_not_write(registry: Registry, version: VersionSummary) -> None:
    keys = enrol(registry)
    with pytest.raises(NotAllowedError):
        edit_record(registry.log, model=version.model, texts={"team": "x"}, signer=keys["audrey"])
