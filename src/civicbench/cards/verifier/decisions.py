"""What people decided on one version, and whether they could."""

from __future__ import annotations

from typing import Any

from civicbench.cards.verifier.fault import FaultError
from civicbench.cards.verifier.log import Log, Signed


def check_decisions(log: Log, version: str, evidence: dict[str, Any]) -> list[Signed]:
    """Return the signed statements about a version, oldest first, after checking what they rest on.

    Approvals have to be about exactly this evidence, by people who neither made nor submitted the
    version, and as many as were asked for; a release has to rest on them.

    Raises:
        FaultError: With the first event that does not hold.
    """
    about = [one for one in log.signed if one.subject == version]
    submitted: Signed | None = None
    approved: set[str] = set()
    refused = False
    for one in about:
        if one.kind == "version submitted":
            submitted, approved, refused = one, set(), False
        elif one.kind == "version decided":
            _check_decision(log, one, submitted=submitted, evidence=evidence)
            if one.payload["outcome"] == "refuse":
                refused = True
            else:
                approved.add(one.person)
        elif one.kind == "version released":
            _check_binding(log, one, evidence)
            if _made(log, version, one.person):
                raise FaultError(log.place, f"event {one.sequence} is a release by a maker")
        for step in _steps(log, one, version):
            enough = submitted is not None and len(approved) >= submitted.payload["reviewers"]
            if step.startswith("approved") and (refused or not enough):
                raise FaultError(
                    log.place, f"event {one.sequence} approves without enough approvals"
                )
            if step == "live" and (one.kind != "version released" or refused or not enough):
                raise FaultError(log.place, f"event {one.sequence} releases what was not approved")
    return about


def _steps(log: Log, one: Signed, version: str) -> list[str]:
    return [to_state for digest, to_state in log.steps.get(one.sequence, []) if digest == version]


def _made(log: Log, version: str, person: str) -> bool:
    return any(log.accounts.get(account) == person for account in log.makers.get(version, ()))


def _check_decision(
    log: Log, one: Signed, *, submitted: Signed | None, evidence: dict[str, Any]
) -> None:
    if submitted is None or one.payload["review"] != submitted.sequence:
        raise FaultError(log.place, f"event {one.sequence} decides in no open review")
    if one.person == submitted.person or _made(log, one.subject, one.person):
        raise FaultError(
            log.place,
            f"event {one.sequence} is a decision by {one.person}, who made or submitted it",
        )
    _check_binding(log, one, evidence)


def _check_binding(log: Log, one: Signed, evidence: dict[str, Any]) -> None:
    binding = one.payload["binding"]
    for name, wanted in (
        ("evidence", one.subject),
        ("base_weights", evidence["base"]["weights_digest"]),
        ("weights", evidence["training"]["adapter_digest"]),
        ("data", evidence["training"]["snapshot_digest"]),
        ("gate", evidence["gate"]["digest"]),
    ):
        if binding[name] != wanted:
            raise FaultError(
                log.place,
                f"event {one.sequence} is a decision about other {name.replace('_', ' ')}",
            )
