"""Where a version stands: its rounds of review, its aliases, and whether its approval applies."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.registry.decisions.facts import (
    AliasFact,
    DecisionFact,
    MakerFact,
    ReviewFact,
    Standing,
)
from civicbench.registry.decisions.kinds import Alias, Decided, Submitted
from civicbench.registry.decisions.statements import EntryDetail, now
from civicbench.registry.decisions.tables import (
    Account,
    AliasMoveRow,
    Assignment,
    Decision,
    Person,
    Review,
    Signature,
    VersionMaker,
)
from civicbench.registry.evidence import Evidence
from civicbench.registry.tables import Event, Verdict, Version

_APPROVED = ("approved", "approved with conditions", "live", "superseded")


def gate_missed(evidence: Evidence) -> tuple[str, ...]:
    """Return what keeps a version's gate from being met."""
    return evidence.gate.unmet


def makers(session: Session, version: Version) -> tuple[MakerFact, ...]:
    """Return the accounts that made a version, each with the person whose it is."""
    query = (
        select(VersionMaker.account, VersionMaker.did, Account.person)
        .outerjoin(Account, Account.account == VersionMaker.account)
        .where(VersionMaker.version == version.digest)
        .order_by(VersionMaker.did, VersionMaker.account)
    )
    return tuple(
        MakerFact(account=account, did=did, person=person)
        for account, did, person in session.execute(query)
    )


def stand(session: Session, version: Version, *, at: datetime | None = None) -> Standing:
    """Return where a version stands.

    Args:
        session: An open session.
        version: The version.
        at: The moment by which approvals have expired; None for the present.
    """
    moment = at or now()
    rounds = _reviews(session, version)
    verdicts = session.execute(
        select(Verdict.gate, Verdict.rule, Verdict.passed)
        .where(Verdict.version == version.digest)
        .order_by(Verdict.position)
    ).all()
    missed = tuple(row.rule for row in verdicts if not row.passed)
    approved = bool(rounds and rounds[-1].approvals) and version.state in _APPROVED
    why_not = [] if approved else [_unapproved(version, rounds)]
    if approved:
        for decision in rounds[-1].approvals if rounds else ():
            if decision.expires_at is not None and decision.expires_at <= moment:
                why_not.append(
                    f"the approval by {decision.full_name} expired on "
                    f"{decision.expires_at:%d %B %Y}"
                )
    aliases: list[Alias] = [
        move.alias for move in current_moves(session, model=version.model)
        if move.version == version.digest
    ]  # fmt: skip
    return Standing(
        version=version.digest,
        reference=f"{version.model}:{version.number}",
        model=version.model,
        state=version.state,
        aliases=tuple(sorted(aliases)),
        makers=makers(session, version),
        gate=verdicts[0].gate if verdicts else "",
        gate_missed=missed,
        reviews=rounds,
        approved=approved,
        applies=approved and not why_not,
        why_not=tuple(why_not),
        waiting_for=_waiting(version, rounds, missed),
    )


def current_moves(session: Session, *, model: str) -> list[AliasMoveRow]:
    """Return the last move of each alias of a model."""
    found: dict[str, AliasMoveRow] = {}
    query = select(AliasMoveRow).where(AliasMoveRow.model == model)
    for move in session.scalars(query.order_by(AliasMoveRow.sequence)):
        found[move.alias] = move
    return list(found.values())


def alias_history(
    session: Session, *, model: str | None = None, alias: Alias | None = None
) -> tuple[AliasFact, ...]:
    """Return which version each alias named from when to when, by model, alias and time."""
    query = (
        select(AliasMoveRow, Event, Version)
        .join(Event, Event.sequence == AliasMoveRow.sequence)
        .outerjoin(Version, Version.digest == AliasMoveRow.version)
        .order_by(AliasMoveRow.model, AliasMoveRow.alias, AliasMoveRow.sequence)
    )
    if model is not None:
        query = query.where(AliasMoveRow.model == model)
    if alias is not None:
        query = query.where(AliasMoveRow.alias == alias)
    rows = session.execute(query).all()
    found = []
    for position, (move, event, version) in enumerate(rows):
        following = rows[position + 1] if position + 1 < len(rows) else None
        same = following is not None and (following[0].model, following[0].alias) == (
            move.model,
            move.alias,
        )
        detail = EntryDetail.model_validate_json(event.detail)
        found.append(
            AliasFact(
                model=move.model,
                alias=move.alias,
                version=move.version,
                reference=f"{version.model}:{version.number}" if version else None,
                since=event.at,
                until=following[1].at if same and following else None,
                by=event.actor,
                reason=str(detail.told.get("reason", "")),
                sequence=event.sequence,
                ended_by=following[0].sequence if same and following else None,
            )
        )
    return tuple(found)


def _reviews(session: Session, version: Version) -> tuple[ReviewFact, ...]:
    rounds = session.execute(
        select(Review, Event)
        .join(Event, Event.sequence == Review.sequence)
        .where(Review.version == version.digest)
        .order_by(Review.sequence)
    ).all()
    if not rounds:
        return ()
    decided: dict[int, list[DecisionFact]] = {}
    query = (
        select(Decision, Event, Signature, Person.full_name)
        .join(Event, Event.sequence == Decision.sequence)
        .join(Signature, Signature.sequence == Decision.sequence)
        .join(Person, Person.name == Decision.person)
        .where(Decision.version == version.digest)
        .order_by(Decision.sequence)
    )
    for decision, event, signature, full_name in session.execute(query):
        decided.setdefault(decision.review, []).append(
            _decision(decision, event, signature, full_name)
        )
    assigned: dict[int, list[str]] = {}
    reviews = [review.sequence for review, _ in rounds]
    for one in session.scalars(
        select(Assignment).where(Assignment.review.in_(reviews)).order_by(Assignment.sequence)
    ):
        assigned.setdefault(one.review, []).append(one.person)
    return tuple(
        ReviewFact(
            sequence=review.sequence,
            at=event.at,
            submitted_by=event.actor,
            note=Submitted.model_validate(_told(event)).note,
            reviewers=review.reviewers,
            assigned=tuple(assigned.get(review.sequence, ())),
            decisions=tuple(decided.get(review.sequence, ())),
        )
        for review, event in rounds
    )


def _decision(
    decision: Decision, event: Event, signature: Signature, full_name: str
) -> DecisionFact:
    told = Decided.model_validate(_told(event))
    return DecisionFact(
        sequence=event.sequence,
        at=event.at,
        person=decision.person,
        full_name=full_name,
        role=signature.role,
        key=signature.key,
        outcome=decision.outcome,
        reason=told.reason,
        conditions=told.conditions,
        expires_at=decision.expires_at,
        binding=told.binding,
    )


def _told(event: Event) -> dict[str, object]:
    return EntryDetail.model_validate_json(event.detail).told


def _unapproved(version: Version, rounds: Sequence[ReviewFact]) -> str:
    if version.state == "refused":
        by = [one for one in rounds[-1].decisions if one.outcome == "refuse"]
        return f"{by[-1].full_name} refused it: {by[-1].reason}"
    if version.state == "withdrawn":
        return "it was withdrawn"
    return "nobody has approved it yet"


def _waiting(version: Version, rounds: Sequence[ReviewFact], missed: Sequence[str]) -> str:
    match version.state:
        case "draft":
            return "an evaluation"
        case "evaluated":
            return "" if missed else "an engineer or evaluator who submits it for review"
        case "in review":
            last = rounds[-1]
            left = last.reviewers - len(last.approvals)
            decided = {one.person for one in last.decisions}
            asked = [person for person in last.assigned if person not in decided]
            count = "a decision" if left == 1 else f"{left} decisions"
            return f"{count} by {' and '.join(asked)}" if asked else f"{count} by a reviewer"
        case "approved" | "approved with conditions":
            return "a senior responsible owner who releases it"
        case _:
            return ""
