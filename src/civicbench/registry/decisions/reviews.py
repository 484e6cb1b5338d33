"""Submitting, assigning and deciding: what is refused, and what follows."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.errors import InvalidInputError
from civicbench.registry.decisions.binding import bind, differences
from civicbench.registry.decisions.kinds import Assigned, Decided, Submitted
from civicbench.registry.decisions.recording import Effects, NotAllowedError, held_roles
from civicbench.registry.decisions.standing import gate_missed, makers, stand
from civicbench.registry.decisions.statements import Transition, now
from civicbench.registry.decisions.tables import Decision, Review, Signature
from civicbench.registry.evidence import Evidence
from civicbench.registry.tables import Version
from civicbench.registry.versions import State

_SUBMITTED_FROM: tuple[State, ...] = (
    "evaluated",
    "refused",
    "approved",
    "approved with conditions",
    "superseded",
)
_DECIDING_ROLES = ("reviewer", "senior-responsible-owner")


def check_submitted(
    session: Session, told: Submitted, *, version: Version, evidence: Evidence
) -> Effects:
    """Refuse a version that is in no state to be reviewed, or whose makers nobody knows."""
    called = f"{version.model}:{version.number}"
    if version.state not in _SUBMITTED_FROM:
        raise NotAllowedError(
            f"{called} is {version.state} and cannot be submitted",
            remedy="evaluate it: `civicbench run RECIPE`"
            if version.state == "draft"
            else "see `civicbench registry history`",
        )
    unknown = sorted({one.account for one in makers(session, version) if one.person is None})
    if unknown:
        raise NotAllowedError(
            f"nobody is known to hold the account that made {called}, so nobody could tell "
            "whether its maker decides on it",
            got=", ".join(unknown),
            remedy=f"`civicbench people roles NAME --account {unknown[0]}` says whose it is",
        )
    if (told.gate, told.reviewers) != (evidence.gate.digest, evidence.gate.reviewers):
        raise NotAllowedError(
            f"the gate of {called} is another one",
            got=f"{told.reviewers} reviewers; its gate asks for {evidence.gate.reviewers}",
        )
    return _step(version, "in review")


def check_assigned(session: Session, told: Assigned, *, version: Version) -> Effects:
    """Refuse somebody who could not decide."""
    _check_round(session, version=version, review=told.review)
    _check_decider(session, version=version, review=told.review, person=told.reviewer)
    standing = stand(session, version)
    if standing.review is not None and told.reviewer in standing.review.assigned:
        raise NotAllowedError(f"{told.reviewer} is asked to decide already")
    return Effects()


def check_decided(
    session: Session, told: Decided, *, version: Version, evidence: Evidence, person: str | None
) -> Effects:
    """Refuse a decision by whom, when, or on what it may not be, and say what follows from it."""
    called = f"{version.model}:{version.number}"
    _check_round(session, version=version, review=told.review)
    if person is not None:
        _check_decider(session, version=version, review=told.review, person=person)
    _check_words(told)
    differs = list(differences(told.binding, now=bind(evidence)))
    if differs:
        raise NotAllowedError(
            f"the decision was signed over other evidence than {called} has",
            got="; ".join(differs),
            remedy="look at the version again, and decide anew",
        )
    if told.outcome == "refuse":
        return _step(version, "refused")
    missed = gate_missed(evidence)
    if missed:
        raise NotAllowedError(
            f"{called} does not meet its gate and cannot be approved",
            got=", ".join(missed),
            remedy="refuse it, or have another version made",
        )
    review = session.get_one(Review, told.review)
    outcomes = list(session.scalars(select(Decision.outcome).where(Decision.review == told.review)))
    outcomes.append(told.outcome)
    if len(outcomes) < review.reviewers:
        return Effects()
    conditional = "approve with conditions" in outcomes
    return _step(version, "approved with conditions" if conditional else "approved")


def _check_words(told: Decided) -> None:
    if not told.reason.strip():
        raise InvalidInputError("a decision has a reason")
    conditional = told.outcome == "approve with conditions"
    if conditional != bool(told.conditions):
        raise InvalidInputError(
            "an approval with conditions names at least one, with its text and scope"
            if conditional
            else "only an approval with conditions has conditions",
            got=told.outcome,
        )
    if told.outcome == "refuse" and told.expires_at is not None:
        raise InvalidInputError("a refusal does not expire")
    for end in (told.expires_at, *(one.expires_at for one in told.conditions)):
        _check_end(end)


def _check_end(end: datetime | None) -> None:
    if end is None:
        return
    if end.tzinfo is None:
        raise InvalidInputError("an expiry has a time zone", got=str(end))
    if end <= now():
        raise InvalidInputError("an approval cannot expire in the past", got=f"{end:%Y-%m-%d}")


def _check_round(session: Session, *, version: Version, review: int) -> None:
    called = f"{version.model}:{version.number}"
    last = session.scalar(
        select(Review.sequence)
        .where(Review.version == version.digest)
        .order_by(Review.sequence.desc())
        .limit(1)
    )
    if version.state != "in review":
        decided = session.execute(
            select(Decision.person, Decision.outcome)
            .where(Decision.version == version.digest)
            .order_by(Decision.sequence.desc())
            .limit(1)
        ).one_or_none()
        raise NotAllowedError(
            f"{called} is {version.state}, not in review",
            got=f"{decided.person} decided: {decided.outcome}" if decided else None,
            remedy="see `civicbench registry history`"
            if decided
            else "`civicbench registry submit` asks for a review",
        )
    if last != review:
        raise NotAllowedError(
            f"{called} was submitted again since",
            got=f"review {review}, now {last}",
            remedy="look at it again, and decide anew",
        )


def _check_decider(session: Session, *, version: Version, review: int, person: str) -> None:
    called = f"{version.model}:{version.number}"
    held = held_roles(session, person=person)
    if not set(held) & set(_DECIDING_ROLES):
        raise NotAllowedError(
            f"{person} may not decide on versions",
            got=f"roles: {', '.join(held) or 'none'}",
            remedy=f"it takes one of: {', '.join(_DECIDING_ROLES)}",
        )
    did = [one.did for one in makers(session, version) if one.person == person]
    submitted = session.get_one(Signature, review).person
    if submitted == person:
        did.append("submitted")
    if did:
        raise NotAllowedError(
            f"{person} {' and '.join(sorted(set(did)))} {called} and does not decide on it",
            remedy="somebody else has to",
        )
    known = select(Decision.outcome).where(Decision.review == review, Decision.person == person)
    if (outcome := session.scalar(known)) is not None:
        raise NotAllowedError(f"{person} decided on {called} already", got=outcome)


def _step(version: Version, state: State) -> Effects:
    return Effects(
        transitions=(Transition(version=version.digest, from_state=version.state, to_state=state),)
    )
