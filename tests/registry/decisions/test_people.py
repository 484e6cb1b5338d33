"""Who is known, in which roles, with which keys, and who may change that."""

import pytest
from tests.registry.office import Office
from tests.registry.raw import REFUSED, Raw

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.registry.chain import current_actor
from civicbench.registry.decisions.kinds import (
    EntryKind,
    KeyAdded,
    KeyRetired,
    PersonAdded,
    PersonChanged,
)
from civicbench.registry.decisions.people import enrolment
from civicbench.registry.decisions.recording import NotAllowedError, sign
from civicbench.registry.decisions.statements import Payload
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey


class Note(Payload):
    text: str
    """What is noted."""


NOTE = EntryKind("note written", Note)
WAIVER = EntryKind("duty waived", Note, ("senior-responsible-owner",))


def person(name: str, *roles: str, accounts: tuple[str, ...] = ()) -> PersonAdded:
    return PersonAdded.model_validate(
        {"name": name, "full_name": name.title(), "accounts": accounts, "roles": roles}
    )


def test_until_there_is_an_owner_with_a_key_nobody_has_to_sign(registry: Registry) -> None:
    registry.desk.do(person("ann", "senior-responsible-owner"), signer=None)
    registry.desk.do(person("bob", "reviewer"), signer=None)
    key = PersonKey.generate("ann")
    registry.desk.do(enrolment(key), signer=None)
    with pytest.raises(NotAllowedError, match="has to be signed"):
        registry.desk.do(person("cat"), signer=None)
    registry.desk.do(person("cat"), signer=key)
    assert [one.name for one in registry.desk.people()] == ["ann", "bob", "cat"]
    assert registry.verify().signatures == 1


def test_only_an_owner_changes_people(office: Office) -> None:
    desk = office.registry.desk
    for name in ("eve", "rob", "ada"):
        with pytest.raises(NotAllowedError, match="may not do this"):
            desk.do(person("mal", "reviewer"), signer=office.keys[name])
        with pytest.raises(NotAllowedError, match="may not do this"):
            desk.do(PersonChanged(name="una", grant=("reviewer",)), signer=office.keys[name])
    assert len(desk.people()) == 6


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (person("rob"), "known already"),
        (person("Rob"), "lower-case"),
        (person("new", accounts=(current_actor(),)), "eve's already"),
        (person("new", "auditor", "reviewer"), "no other role"),
        (PersonChanged(name="rob", grant=("reviewer",)), "already"),
        (PersonChanged(name="rob", withdraw=("auditor",)), "does not hold"),
        (PersonChanged(name="rob", grant=("auditor",)), "no other role"),
        (PersonChanged(name="robb", grant=("engineer",)), "did you mean rob"),
        (PersonChanged(name="rob"), "nothing changes"),
        (KeyAdded(person="rob", public_key="zz", possession=""), "no Ed25519"),
        (KeyRetired(key="0" * 64, reason="lost"), "no key is enrolled"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(office: Office, told: Payload, said: str) -> None:
    before = office.registry.head()
    with pytest.raises((NotAllowedError, InvalidInputError)) as caught:
        office.registry.desk.do(told, signer=office.keys["sam"])
    assert said in str(caught.value)
    assert office.registry.head() == before


def test_roles_come_and_go_and_the_log_keeps_them(office: Office) -> None:
    desk, sam = office.registry.desk, office.keys["sam"]
    desk.do(PersonChanged(name="rob", withdraw=("reviewer",)), signer=sam)
    assert desk.roles("rob") == ()
    desk.do(PersonChanged(name="rob", grant=("reviewer", "evaluator")), signer=sam)
    assert set(desk.roles("rob")) == {"reviewer", "evaluator"}
    office.registry.verify()


def test_a_key_is_enrolled_by_whoever_holds_it(office: Office) -> None:
    """Nobody can enrol somebody else's public key as their own, or as a third person's."""
    theirs = enrolment(office.keys["rob"])
    stolen = KeyAdded(
        person="ada",
        public_key=PersonKey.generate("rob").public.content.hex(),
        possession=theirs.possession,
    )
    with pytest.raises(IntegrityError, match="not made by this key"):
        office.registry.desk.do(stolen, signer=office.keys["sam"])
    with pytest.raises(NotAllowedError, match="enrolled already, for rob"):
        office.registry.desk.do(
            theirs.model_copy(update={"person": "ada"}), signer=office.keys["sam"]
        )


def test_people_change_their_own_keys_and_no_others(office: Office) -> None:
    desk, new = office.registry.desk, PersonKey.generate("rob")
    desk.do(enrolment(new), signer=office.keys["rob"])
    desk.do(KeyRetired(key=office.keys["rob"].public.fingerprint, reason="new laptop"), signer=new)
    with pytest.raises(NotAllowedError, match="was retired"):
        desk.do(enrolment(PersonKey.generate("rob")), signer=office.keys["rob"])
    with pytest.raises(NotAllowedError, match="may not do this"):
        desk.do(
            KeyRetired(key=office.keys["eve"].public.fingerprint, reason="mischief"), signer=new
        )
    office.registry.verify()


def test_entries_of_other_kinds_are_typed_signed_and_read_back(office: Office) -> None:
    log = office.registry.log
    log.append(NOTE, subject="m", payload=Note(text="first"))
    with pytest.raises(NotAllowedError, match="has to be signed"):
        log.append(WAIVER, subject="m", payload=Note(text="no"))
    with pytest.raises(NotAllowedError, match="may not do this"):
        log.append(WAIVER, subject="m", payload=Note(text="no"), signer=office.keys["rob"])
    made = log.append(WAIVER, subject="m", payload=Note(text="yes"), signer=office.keys["sam"])
    assert log.entries(WAIVER, subject="m") == (made,)
    assert (made.person, made.role, made.payload.text) == ("sam", "senior-responsible-owner", "yes")
    assert [entry.payload.text for entry in log.entries(NOTE)] == ["first"]
    assert log.entries(WAIVER, subject="other") == ()
    office.registry.verify()


def test_what_was_signed_elsewhere_is_recorded_once_and_here_alone(office: Office) -> None:
    log, sam = office.registry.log, office.keys["sam"]
    statement = log.prepare(WAIVER, subject="m", payload=Note(text="x"), person="sam")
    proof = sign(statement, signer=sam)
    changed = statement.model_copy(update={"payload": {"text": "y"}})
    with pytest.raises(IntegrityError, match="not made by this key"):
        log.record(WAIVER, statement=changed, proof=proof)
    forged = sign(statement, signer=PersonKey.generate("sam"))
    with pytest.raises(NotAllowedError, match="not enrolled for sam"):
        log.record(WAIVER, statement=statement, proof=forged)
    with pytest.raises(NotAllowedError, match="the key is rob's"):
        sign(statement, signer=office.keys["rob"])
    elsewhere = statement.model_copy(update={"head": "a" * 64})
    with pytest.raises(NotAllowedError, match="another registry"):
        log.record(WAIVER, statement=elsewhere, proof=sign(elsewhere, signer=sam))
    log.record(WAIVER, statement=statement, proof=proof)
    with pytest.raises(NotAllowedError, match="recorded already"):
        log.record(WAIVER, statement=statement, proof=proof)


def test_the_registrys_own_kinds_are_closed_to_others(office: Office) -> None:
    own = EntryKind("version decided", Note)
    with pytest.raises(ValueError, match="functions that check it"):
        office.registry.log.append(own, subject="m", payload=Note(text="approve"))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO people VALUES ('mal', 'Mallory', {last})",
        "INSERT INTO accounts VALUES ('mallory', 'rob', {last})",
        "INSERT INTO role_grants VALUES ({last}, 'senior-responsible-owner', 'rob')",
        "INSERT INTO role_grants VALUES ({last}, 'reviewer', 'ada')",
        f"INSERT INTO keys VALUES ('{1:064d}', 'sam', '{2:064d}', {{last}})",
        "INSERT INTO key_retirements SELECT id, {last} FROM keys WHERE person = 'sam'",
        "INSERT INTO role_withdrawals SELECT sequence, role, {last} FROM role_grants",
        "INSERT INTO signatures SELECT {last}, 'sam', 'senior-responsible-owner', id, 'x'"
        " FROM keys WHERE person = 'sam'",
    ],
)
def test_the_database_itself_keeps_people_from_being_added_past_the_code(
    office: Office, raw: Raw, statement: str
) -> None:
    office.registry.log.append(NOTE, subject="m", payload=Note(text="an event without a signature"))
    last = office.registry.head().sequence
    with pytest.raises(REFUSED, match=r"has to sign|reads, and holds|is another person|written"):
        raw.execute(statement.format(last=last))
