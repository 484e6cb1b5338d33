"""From evaluated to live: who may do what, and what follows."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.registry.office import Office
from tests.registry.raw import REFUSED, Raw

from civicbench.core.errors import CivicbenchError, IntegrityError, InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.registry.chain import current_actor
from civicbench.registry.decisions import reviews, standing
from civicbench.registry.decisions.kinds import Condition, KeyRetired, PersonAdded, PersonChanged
from civicbench.registry.decisions.people import enrolment
from civicbench.registry.decisions.recording import NotAllowedError, sign
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey


def states(office: Office) -> dict[str, str]:
    return {one.reference: one.state for one in office.registry.list_versions()}


def test_the_whole_way(office: Office) -> None:
    stand = office.registry.proposals.standing
    first = office.register(0)
    assert (stand("m").state, stand("m").waiting_for) == (
        "evaluated",
        "an engineer or evaluator who submits it for review",
    )
    office.submit("m")
    assert (stand("m").state, stand("m").waiting_for) == ("in review", "a decision by a reviewer")
    office.decide("m")
    assert (stand("m").state, stand("m").applies) == ("approved", True)
    office.release("m", alias="candidate")
    assert (stand("m@candidate").version, states(office)) == (first.digest, {"m:1": "approved"})
    office.release("m")
    assert stand("m@live").aliases == ("live",)  # no longer a candidate
    second = office.live(1)
    assert states(office) == {"m:1": "superseded", "m:2": "live"}
    office.withdraw(second.reference)
    assert states(office) == {"m:1": "superseded", "m:2": "withdrawn"}
    with pytest.raises(InvalidInputError, match="no version of m is live"):
        stand("m@live")
    office.release("m:1")  # back to the one before, whose approval still applies
    assert states(office) == {"m:1": "live", "m:2": "withdrawn"}
    sound = office.registry.verify()
    assert sound.versions == 2  # nothing was deleted
    assert sound.events == sound.signatures + 4  # two people and keys before sam could sign


def test_a_refused_version_can_be_submitted_again_and_everything_stays(office: Office) -> None:
    office.register(0)
    office.submit("m")
    office.decide("m", "refuse")
    found = office.registry.proposals.standing("m")
    assert (found.state, found.applies) == ("refused", False)
    assert found.why_not == ("Rob Example refused it: I looked.",)
    office.submit("m")
    office.decide("m", person="rita")
    found = office.registry.proposals.standing("m")
    assert found.state == "approved"
    assert [one.decisions[0].outcome for one in found.reviews] == ["refuse", "approve"]
    office.registry.verify()


def test_a_gate_can_ask_for_two(office: Office) -> None:
    office.register(0, reviewers=2)
    office.submit("m")
    office.decide("m")
    found = office.registry.proposals.standing("m")
    assert (found.state, found.approved) == ("in review", False)
    with pytest.raises(NotAllowedError, match="decided on m:1 already"):
        office.decide("m")
    with pytest.raises(NotAllowedError, match="no approval that applies"):
        office.release("m")
    office.decide("m", person="rita")
    assert office.registry.proposals.standing("m").state == "approved"


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("eve", "registered, submitted and trained"),
        ("una", "may not decide"),
        ("ada", "may not decide"),
    ],
)
def test_who_made_it_or_has_no_such_role_does_not_decide(
    office: Office, person: str, said: str
) -> None:
    office.register(0)
    office.submit("m")
    with pytest.raises(NotAllowedError) as caught:
        office.decide("m", person=person)
    assert all(word in str(caught.value) for word in said.replace(" and", ",").split(", "))
    assert office.registry.proposals.standing("m").state == "in review"


def test_who_submitted_it_does_not_decide(office: Office) -> None:
    both = PersonChanged(name="una", grant=("reviewer",))
    office.registry.desk.do(both, signer=office.keys["sam"])
    office.register(0)
    office.submit("m", person="una")
    with pytest.raises(NotAllowedError, match="una submitted m:1"):
        office.decide("m", person="una")


def test_an_account_that_nobody_claimed_stops_the_review(registry: Registry, tmp_path: Any) -> None:
    desk = registry.desk
    sam, eve = PersonKey.generate("sam"), PersonKey.generate("eve")
    for name, role in (("sam", "senior-responsible-owner"), ("eve", "engineer")):
        told = {"name": name, "full_name": name, "accounts": (), "roles": (role,)}
        desk.do(PersonAdded.model_validate(told), signer=None)
    desk.do(enrolment(eve), signer=None)
    desk.do(enrolment(sam), signer=None)
    office = object.__new__(Office)
    office.registry, office.folder, office.keys = registry, tmp_path, {"sam": sam, "eve": eve}
    office.register(0)
    with pytest.raises(NotAllowedError, match="nobody is known to hold the account") as caught:
        office.submit("m")
    assert f"--account {current_actor()}" in str(caught.value)
    desk.do(PersonChanged(name="eve", accounts=(current_actor(),)), signer=sam)
    office.submit("m")


def test_a_decision_needs_words_and_sense(office: Office) -> None:
    office.register(0)
    office.submit("m")
    proposals, desk, rob = office.registry.proposals, office.registry.desk, office.keys["rob"]
    condition = Condition(text="Check weekly", scope="all")
    past = datetime.now(UTC) - timedelta(days=1)
    for said, values in (
        ("has a reason", {"outcome": "approve", "reason": " "}),
        ("names at least one", {"outcome": "approve with conditions", "reason": "x"}),
        ("only an approval", {"outcome": "approve", "reason": "x", "conditions": [condition]}),
        ("does not expire", {"outcome": "refuse", "reason": "x", "expires_at": past}),
        ("in the past", {"outcome": "approve", "reason": "x", "expires_at": past}),
    ):
        with pytest.raises(InvalidInputError, match=said):
            desk.do(proposals.decision("m", **values), signer=rob)
    told = proposals.decision(
        "m", outcome="approve with conditions", reason="x", conditions=[condition]
    )
    desk.do(told, signer=rob)
    found = proposals.standing("m")
    assert found.state == "approved with conditions"
    assert found.reviews[0].decisions[0].conditions == (condition,)


def test_a_version_that_missed_its_gate_is_refused_or_nothing(office: Office) -> None:
    office.register(0, gate_passes=False)
    office.submit("m")
    with pytest.raises(NotAllowedError, match="does not meet its gate"):
        office.decide("m")
    office.decide("m", "refuse")
    assert office.registry.proposals.standing("m").gate_missed == ("domain gain",)


def test_an_expired_approval_releases_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.register(0)
    office.submit("m")
    proposals = office.registry.proposals
    told = proposals.decision(
        "m", outcome="approve", reason="for a trial",
        expires_at=datetime.now(UTC) + timedelta(days=30),
    )  # fmt: skip
    office.registry.desk.do(told, signer=office.keys["rob"])
    assert proposals.standing("m").applies
    later = datetime.now(UTC) + timedelta(days=31)
    monkeypatch.setattr(standing, "now", lambda: later)
    found = proposals.standing("m")
    assert (found.approved, found.applies) == (True, False)
    assert found.why_not[0].startswith("the approval by Rob Example expired on ")
    with pytest.raises(NotAllowedError, match="expired on"):
        office.release("m")


@pytest.mark.parametrize("field", ["evidence", "base_weights", "weights", "data", "gate", "suites"])
def test_a_decision_on_anything_else_does_not_count(office: Office, field: str) -> None:
    """Signed by the right person, and still over other weights, data, suites or gate."""
    office.register(0)
    office.submit("m")
    told = office.registry.proposals.decision("m", outcome="approve", reason="x")
    other: Any = {"safety-core": "0" * 64} if field == "suites" else "0" * 64
    changed = told.model_copy(update={"binding": told.binding.model_copy(update={field: other})})
    with pytest.raises(NotAllowedError, match="signed over other evidence") as caught:
        office.registry.desk.do(changed, signer=office.keys["rob"])
    assert "signed over" in (caught.value.got or "")
    assert office.registry.proposals.standing("m").state == "in review"


@pytest.mark.parametrize("name", ["evidence.json", "adapter/adapter_model.safetensors"])
def test_what_changed_in_the_store_is_neither_approved_nor_released(
    office: Office, name: str
) -> None:
    office.register(0)
    office.submit("m")
    approved = office.registry.proposals.decision("m", outcome="approve", reason="x")
    path = office.registry.artefact_paths("m")[name]
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept[:-1] + b"!")
    with pytest.raises(IntegrityError, match="changed in the store"):
        office.registry.desk.do(approved, signer=office.keys["rob"])
    path.write_bytes(kept)
    office.registry.desk.do(approved, signer=office.keys["rob"])
    path.unlink()
    with pytest.raises(IntegrityError, match="missing from the store"):
        office.release("m")


def test_a_decision_signed_in_one_round_does_not_count_in_the_next(office: Office) -> None:
    office.register(0)
    office.submit("m")
    desk = office.registry.desk
    early = desk.prepare(
        office.registry.proposals.decision("m", outcome="approve", reason="x"), person="rob"
    )
    office.decide("m", "refuse", person="rita")
    office.submit("m")
    with pytest.raises(NotAllowedError, match="submitted again since"):
        desk.record(early, sign(early, signer=office.keys["rob"]))


def test_a_key_retired_between_signing_and_recording_does_not_count(office: Office) -> None:
    office.register(0)
    office.submit("m")
    desk, rob = office.registry.desk, office.keys["rob"]
    told = desk.prepare(
        office.registry.proposals.decision("m", outcome="approve", reason="x"), person="rob"
    )
    proof = sign(told, signer=rob)
    desk.do(KeyRetired(key=rob.public.fingerprint, reason="stolen"), signer=office.keys["sam"])
    with pytest.raises(NotAllowedError, match="was retired"):
        desk.record(told, proof)


def test_two_who_decide_at_once_agree_on_what_happened(
    office: Office, workspace: Workspace
) -> None:
    """One approves, one refuses, at the same moment: one counts, and the other is told of it."""
    for seed in range(3):
        version = office.register(seed)
        office.submit(version.reference)
        barrier = threading.Barrier(2)
        said: list[CivicbenchError] = []

        def decide(person: str, outcome: Any, reference: str = version.reference) -> None:
            with Registry.open(workspace) as own:
                told = own.proposals.decision(reference, outcome=outcome, reason="I looked.")
                statement = own.desk.prepare(told, person=person)
                proof = sign(statement, signer=office.keys[person])
                barrier.wait()  # noqa: B023
                try:
                    own.desk.record(statement, proof)
                except CivicbenchError as error:
                    said.append(error)  # noqa: B023

        both = [
            threading.Thread(target=decide, args=arguments)
            for arguments in (("rob", "approve"), ("rita", "refuse"))
        ]
        for one in both:
            one.start()
        for one in both:
            one.join()
        [error] = said
        assert "not in review" in str(error)
        assert "decided: " in str(error)
        found = office.registry.proposals.standing(version.reference)
        assert len(found.reviews[0].decisions) == 1
    office.registry.verify()


def test_reviewers_are_asked_by_name(office: Office) -> None:
    office.register(0, reviewers=2)
    office.submit("m")
    desk, proposals = office.registry.desk, office.registry.proposals
    for name in ("rob", "rita"):
        desk.do(proposals.assignment("m", reviewer=name), signer=office.keys["eve"])
    assert proposals.standing("m").waiting_for == "2 decisions by rob and rita"
    office.decide("m", person="rita")
    assert proposals.standing("m").waiting_for == "a decision by rob"
    for name, said in (("rob", "already"), ("una", "may not decide"), ("eve", "does not decide")):
        with pytest.raises(NotAllowedError, match=said):
            desk.do(proposals.assignment("m", reviewer=name), signer=office.keys["eve"])


@pytest.mark.parametrize("person", ["eve", "una", "ada"])
def test_the_schema_keeps_duties_apart_without_the_codes_help(
    office: Office, monkeypatch: pytest.MonkeyPatch, person: str
) -> None:
    """The same refusals with every check of the code taken away."""
    office.register(0)
    office.submit("m")
    told = office.registry.proposals.decision("m", outcome="approve", reason="x")
    monkeypatch.setattr(reviews, "_check_decider", lambda *_a, **_k: None)
    as_rob = office.registry.desk.prepare(told, person="rob")
    role = "reviewer" if person == "eve" else office.registry.desk.roles(person)[0]
    forged = as_rob.model_copy(update={"person": person, "role": role})
    monkeypatch.setattr(type(office.registry.desk), "_check_role", lambda *_a, **_k: None)
    with pytest.raises(CivicbenchError, match="own rules refuse"):
        office.registry.desk.record(forged, sign(forged, signer=office.keys[person]))
    assert office.registry.proposals.standing("m").reviews[0].decisions == ()


def test_the_schema_counts_approvals_without_the_codes_help(office: Office, raw: Raw) -> None:
    version = office.register(0, reviewers=2)
    office.submit("m")
    office.decide("m")
    last = office.registry.head().sequence
    for statement in (
        f"INSERT INTO transitions VALUES ({last}, '{version.digest}', 'in review', 'approved')",
        f"INSERT INTO transitions VALUES ({last}, '{version.digest}', 'in review', 'live')",
        f"INSERT INTO alias_moves VALUES ({last}, 'live', 'm', '{version.digest}')",
        "UPDATE versions SET state = 'approved'",
        "UPDATE versions SET state = 'live'",
    ):
        with pytest.raises(REFUSED, match=r"transitions|alias_moves|versions"):
            raw.execute(statement)
    assert office.registry.proposals.standing("m").state == "in review"
