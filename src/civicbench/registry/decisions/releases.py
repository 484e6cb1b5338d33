"""Releasing and withdrawing: what is refused, and which versions and aliases change by it."""

from sqlalchemy.orm import Session

from civicbench.core.errors import InvalidInputError
from civicbench.registry.atrs.release import unfilled_record
from civicbench.registry.decisions.binding import bind, differences
from civicbench.registry.decisions.kinds import Released, Withdrawn
from civicbench.registry.decisions.recording import Effects, NotAllowedError
from civicbench.registry.decisions.standing import current_moves, gate_missed, makers, stand
from civicbench.registry.decisions.statements import AliasMove, Transition
from civicbench.registry.evidence import Evidence
from civicbench.registry.tables import Version


def check_released(
    session: Session, told: Released, *, version: Version, evidence: Evidence, person: str | None
) -> Effects:
    """Refuse a version whose approval does not apply, and say what its release changes."""
    called = f"{version.model}:{version.number}"
    if not told.reason.strip():
        raise InvalidInputError("a release has a reason", where=called)
    did = {one.did for one in makers(session, version) if one.person == person}
    if did:
        raise NotAllowedError(
            f"{person} {' and '.join(sorted(did))} {called} and does not release it",
            remedy="somebody else has to",
        )
    standing = stand(session, version)
    why_not = list(standing.why_not)
    for decision in standing.review.approvals if standing.review else ():
        for binding in (decision.binding, told.binding):
            why_not += differences(binding, now=bind(evidence))
    why_not += unfilled_record(session, version=version, evidence=evidence)
    missed = gate_missed(evidence)
    if missed:
        why_not.append(f"its gate is not met: {', '.join(missed)}")
    if why_not:
        raise NotAllowedError(
            f"{called} has no approval that applies",
            got="; ".join(dict.fromkeys(why_not)),
            remedy="have it reviewed: `civicbench registry submit`",
        )
    current = {move.alias: move.version for move in current_moves(session, model=version.model)}
    if current.get(told.alias) == version.digest:
        raise NotAllowedError(f"{called} is {told.alias} already")
    moves = [AliasMove(model=version.model, alias=told.alias, version=version.digest)]
    transitions: list[Transition] = []
    if told.alias == "live":
        before = current.get("live")
        if before is not None:
            transitions.append(Transition(version=before, from_state="live", to_state="superseded"))
        transitions.append(
            Transition(version=version.digest, from_state=version.state, to_state="live")
        )
        if current.get("candidate") == version.digest:
            moves.append(AliasMove(model=version.model, alias="candidate", version=None))
    return Effects(transitions=tuple(transitions), moves=tuple(moves))


def check_withdrawn(session: Session, told: Withdrawn, *, version: Version) -> Effects:
    """Refuse a second withdrawal, and say which aliases name no version after this one."""
    called = f"{version.model}:{version.number}"
    if not told.reason.strip():
        raise InvalidInputError("a withdrawal has a reason", where=called)
    if version.state == "withdrawn":
        raise NotAllowedError(f"{called} is withdrawn already")
    step = Transition(version=version.digest, from_state=version.state, to_state="withdrawn")
    return Effects(
        transitions=(step,),
        moves=tuple(
            AliasMove(model=version.model, alias=move.alias, version=None)
            for move in current_moves(session, model=version.model)
            if move.version == version.digest
        ),
    )
