"""Waivers of a use policy: signed by who answers for the licence, and for a time."""

from datetime import date
from pathlib import Path

import pytest
from tests.registry.office import Office

from civicbench.registry.decisions.log import NotAllowedError
from civicbench.registry.registry import Registry
from civicbench.registry.waivers import WaiverGiven, WaiverLog

LICENCE = "LicenseRef-Llama-3.2-Community"


def given(*, clause: str = "military", until: str = "2027-03-31") -> WaiverGiven:
    return WaiverGiven(
        model="Llama-advice",
        licence=LICENCE,
        clause=clause,
        sectors=("defence",),
        reason="Covered by the exception that Meta wrote to us about.",
        expires=date.fromisoformat(until),
    )


@pytest.fixture
def office(registry: Registry, tmp_path: Path) -> Office:
    return Office(registry, tmp_path / "files")


def test_a_waiver_counts_up_to_its_last_day(office: Office) -> None:
    log = WaiverLog(office.registry.log)
    made = log.give(given(), signer=office.keys["sam"])
    assert (made.by, made.role) == ("sam", "senior responsible owner")
    assert log.in_force("Llama-advice", on=date(2027, 3, 31)) == (made,)
    assert log.in_force("Llama-advice", on=date(2027, 4, 1)) == ()
    assert log.in_force("Llama-other", on=date(2027, 1, 1)) == ()
    office.registry.verify()


def test_a_newer_waiver_of_the_clause_takes_the_older_ones_place(office: Office) -> None:
    """So it can be ended early, by giving it again with a day that has passed."""
    log = WaiverLog(office.registry.log)
    log.give(given(), signer=office.keys["sam"])
    other = log.give(given(clause="espionage"), signer=office.keys["sam"])
    log.give(given(until="2026-01-01"), signer=office.keys["sam"])
    assert log.in_force("Llama-advice", on=date(2026, 12, 1)) == (other,)
    assert len(log.all(model="Llama-advice")) == 3


@pytest.mark.parametrize("person", ["eve", "rob", "una", "ada"])
def test_nobody_else_can_waive(office: Office, person: str) -> None:
    log = WaiverLog(office.registry.log)
    with pytest.raises(NotAllowedError):
        log.give(given(), signer=office.keys[person])
    assert log.all() == ()
