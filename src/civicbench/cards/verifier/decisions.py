"""What people decided on one version, and whether they could."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from civicbench.cards.verifier.fault import FaultError
from civicbench.cards.verifier.log import Log, Signed, canonical


def check_decisions(log: Log, version: str, evidence: dict[str, Any]) -> list[Signed]:
    """Return the signed statements about a version, oldest first, after checking what they rest on.

    Approvals have to be about exactly this evidence, by people who neither made nor submitted the
    version, and as many as were asked for; a release has to rest on them.

    Raises:
        FaultError: With the first event that does not hold.
    """
    about = [one for one in log.signed if one.subject == version]
    submitted: Signed | None = None
    approved: dict[str, Signed] = {}
    refused = False
    for one in about:
        if one.kind == "version submitted":
            submitted, approved, refused = one, {}, False
        elif one.kind == "version decided":
            _check_decision(log, one, submitted=submitted, evidence=evidence)
            if one.payload["outcome"] == "refuse":
                refused = True
            else:
                approved[one.person] = one
        elif one.kind == "version released":
            _check_binding(log, one, evidence)
            expired = any(_ended(approval, by=one.at) for approval in approved.values())
            if expired:
                raise FaultError(log.place, f"event {one.sequence} rests on an expired approval")
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


def expiry(payload: dict[str, Any]) -> str | None:
    """Return when an approval ends, the earliest of its own end and its conditions', or None."""
    ends = [
        payload.get("expires_at"),
        *(one["expires_at"] for one in payload.get("conditions", [])),
    ]
    return min((end for end in ends if end), key=_moment, default=None)


def _ended(approval: Signed, *, by: str) -> bool:
    end = expiry(approval.payload)
    return end is not None and _moment(end) <= _moment(by)


def _moment(text: str) -> datetime:
    # Before 3.11, Python reads no "Z".
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


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


def _suite_digest(result: dict[str, Any]) -> str:
    both = [result["items_digest"], result["prompts_digest"]]
    return hashlib.sha256(canonical(both)).hexdigest()


def _check_binding(log: Log, one: Signed, evidence: dict[str, Any]) -> None:
    binding = one.payload["binding"]
    for name, wanted in (
        ("evidence", one.subject),
        ("base_weights", evidence["base"]["weights_digest"]),
        ("weights", evidence["training"]["adapter_digest"]),
        ("data", evidence["training"]["snapshot_digest"]),
        ("gate", evidence["gate"]["digest"]),
        ("suites", {suite["name"]: _suite_digest(suite["tuned"]) for suite in evidence["suites"]}),
    ):
        if binding[name] != wanted:
            raise FaultError(
                log.place,
                f"event {one.sequence} is a decision about other {name.replace('_', ' ')}",
            )
