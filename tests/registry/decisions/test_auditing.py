"""`verify` on decisions: what somebody changed past the triggers is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry.office import Office
from tests.registry.raw import Raw

from civicbench.core.digests import canonical_json
from civicbench.core.errors import IntegrityError
from civicbench.core.workspace import Workspace
from civicbench.registry.anchors import make_anchor, read_anchor, write_anchor
from civicbench.registry.chain import event_digest
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey
from civicbench.registry.tables import Event


def findings(registry: Registry, **against: Any) -> list[str]:
    with pytest.raises(IntegrityError, match="not what was registered") as caught:
        registry.verify(**against)
    return [line[4:] for line in caught.value.problem.splitlines() if line.startswith("  - ")]


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE people SET full_name = 'Someone Else' WHERE name = 'rob'", "changed: row rob"),
        ("DELETE FROM accounts", "missing: row "),
        ("DELETE FROM role_withdrawals", "missing: row 9/evaluator of role_withdrawals"),
        ("DELETE FROM key_retirements", "of key_retirements"),
        ("UPDATE keys SET person = 'ada' WHERE person = 'rob'", "of keys"),
        ("UPDATE signatures SET role = 'reviewer' WHERE person = 'sam'", "of signatures"),
        ("DELETE FROM version_makers WHERE did = 'registered'", "of version_makers"),
        ("UPDATE reviews SET reviewers = 9", "of reviews"),
        ("DELETE FROM assignments", "of assignments"),
        ("UPDATE decisions SET outcome = 'approve' WHERE outcome = 'refuse'", "of decisions"),
        ("UPDATE decisions SET person = 'ada' WHERE person = 'rob'", "of decisions"),
        ("DELETE FROM transitions WHERE to_state = 'withdrawn'", "of transitions"),
        ("UPDATE alias_moves SET version = NULL WHERE alias = 'live'", "of alias_moves"),
        ("UPDATE versions SET state = 'approved' WHERE number = 3", "changed: state of m:3"),
    ],
)
def test_a_changed_row_is_found(lived: Registry, raw: Raw, statement: str, finding: str) -> None:
    raw.disarm()
    assert raw.execute(statement).rowcount > 0
    raw.rearm()
    found = findings(lived)
    assert any(finding in line for line in found), found


def rewrite(registry: Registry, raw: Raw, change: Callable[[Event, dict[str, Any]], None]) -> None:
    """Change events as the owner of the database could: every digest fits again."""
    previous = "0" * 64
    raw.disarm()
    for fact in registry.history():
        event = Event(**fact.model_dump(exclude={"told", "person", "key"}))
        detail = json.loads(event.detail)
        change(event, detail)
        event.detail = canonical_json(detail)
        event.previous = previous
        event.digest = previous = event_digest(event)
        raw.execute(
            "UPDATE events SET actor = :actor, detail = :detail, previous = :previous,"
            " digest = :digest WHERE sequence = :sequence",
            actor=event.actor, detail=event.detail, previous=event.previous,
            digest=event.digest, sequence=event.sequence,
        )  # fmt: skip
    raw.rearm()


def kinds(kind: str, change: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
    def changed(event: Event, detail: dict[str, Any]) -> None:
        if event.kind == kind:
            change(detail)

    return changed


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            kinds("version decided", lambda d: d["statement"]["payload"].update(reason="Fine.")),
            "the signature is not over this statement",
        ),
        (
            kinds("version decided", lambda d: d["statement"].update(person="ada")),
            "the statement is about something else",
        ),
        (kinds("version released", lambda d: d.pop("proof")), "is not signed"),
        (
            kinds("version submitted", lambda d: d["statement"].update(role="auditor")),
            "did not hold the role auditor",
        ),
        (
            kinds("person added", lambda d: d.pop("proof", None)),
            "without a senior responsible owner's signature",
        ),
        (
            kinds("version decided", lambda d: d["transitions"][0].update(to_state="live")),
            "a version went live without a release",
        ),
    ],
)
def test_a_log_rewritten_from_end_to_end_is_found_by_its_signatures(
    lived: Registry, raw: Raw, change: Callable[..., None], finding: str
) -> None:
    rewrite(lived, raw, change)
    found = findings(lived)
    assert not any("does not follow" in line for line in found)  # the chain itself is whole
    assert any(finding in line for line in found), found


def test_a_decision_forged_with_another_key_is_found(
    office: Office, raw: Raw, workspace: Workspace
) -> None:
    """The database's owner signs as rob with a key of his own."""
    office.live(0)

    def forge(event: Event, detail: dict[str, Any]) -> None:
        if event.kind == "version decided":
            own = PersonKey.generate("rob")
            detail["proof"]["key"] = own.public.fingerprint

    rewrite(office.registry, raw, forge)
    assert any("the key is not rob's" in line for line in findings(office.registry))


def test_an_anchor_tells_of_a_history_that_is_whole_in_itself(
    office: Office, raw: Raw, tmp_path: Path
) -> None:
    """Nobody signs a registration: a rewritten one is told by the anchor alone."""
    office.register(0)
    anchor = make_anchor(office.registry.head(), signer=office.keys["ada"])
    write_anchor(anchor, tmp_path / "anchor.json")
    kept = [read_anchor(tmp_path / "anchor.json")]
    office.register(1)
    trusted = [office.keys["ada"].public]
    assert office.registry.verify(anchors=kept, trusted=trusted).versions == 2
    sequence = kept[0].content.decode().split('"sequence":')[1].split("}")[0]

    def change(event: Event, _detail: dict[str, Any]) -> None:
        if event.kind == "version registered":
            event.actor = "someone else"

    # The signed statements name heads that are gone too; without any, only the anchor is left.
    rewrite(office.registry, raw, change)
    raw.disarm()
    raw.execute("UPDATE version_makers SET account = 'someone else' WHERE did = 'registered'")
    raw.rearm()
    found = findings(office.registry, anchors=kept, trusted=trusted)
    assert [line for line in found if "anchor" in line or "the log up to" in line] == [
        line for line in found if line.startswith(f"changed: the log up to event {sequence}")
    ]
    assert any("signed by ada" in line for line in found)


def test_an_anchor_that_was_changed_or_is_a_strangers_is_refused(office: Office) -> None:
    anchor = make_anchor(office.registry.head(), signer=office.keys["ada"])
    forged = make_anchor(office.registry.head(), signer=PersonKey.generate("ada"))
    with pytest.raises(IntegrityError, match="not known here"):
        office.registry.verify(anchors=[forged])
    with pytest.raises(IntegrityError, match="not known here"):
        office.registry.verify(anchors=[anchor], trusted=[office.keys["rob"].public])
    other = make_anchor(office.registry.head(), signer=office.keys["rob"])
    swapped = anchor.model_copy(update={"payload": other.payload})
    with pytest.raises(IntegrityError, match="not made by this key"):
        office.registry.verify(anchors=[swapped])


def test_a_log_cut_at_its_end_is_told_by_an_anchor(office: Office, raw: Raw) -> None:
    anchor = make_anchor(office.registry.head(), signer=office.keys["ada"])
    last = office.registry.head().sequence
    raw.disarm()
    raw.execute("DELETE FROM keys WHERE sequence = :last", last=last)
    raw.execute("DELETE FROM signatures WHERE sequence = :last", last=last)
    raw.execute("DELETE FROM events WHERE sequence = :last", last=last)
    raw.rearm()
    office.registry.verify()  # whole in itself
    [finding] = findings(office.registry, anchors=[anchor], trusted=[office.keys["ada"].public])
    assert finding.startswith(f"missing: event {last}, which stood on")
