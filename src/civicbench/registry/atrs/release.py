"""What a gate asks of the ATRS record when a version is to be released."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.registry.atrs.record import ATRS_EDITED, AtrsEdited, make_record, missing_fields
from civicbench.registry.decisions.log import Entry
from civicbench.registry.decisions.statements import EntryDetail
from civicbench.registry.evidence import Evidence
from civicbench.registry.rules.records import AtrsComplete
from civicbench.registry.tables import Event, Version
from civicbench.registry.versions import EventFact


def unfilled_record(session: Session, *, version: Version, evidence: Evidence) -> Iterator[str]:
    """Yield why the ATRS record stands in the way of a release, where the gate asks for it.

    Args:
        session: An open session.
        version: The version.
        evidence: Its evidence, with the gate that it was judged by.
    """
    rules = [one.rule for one in evidence.gate.rules if isinstance(one.rule, AtrsComplete)]
    if not rules:
        return
    record = make_record(
        evidence, number=version.number, edits=list(_edits(session, model=version.model))
    )
    missing = tuple(field.key for field in missing_fields(record))
    for rule in rules:
        check = rule.check_release(missing)
        if check.outcome != "met":
            yield f"rule {rule.name}: {check.asked}; {check.found}"


def _edits(session: Session, *, model: str) -> Iterator[Entry[AtrsEdited]]:
    query = select(Event).where(Event.kind == ATRS_EDITED.name, Event.subject == model)
    for event in session.scalars(query.order_by(Event.sequence)):
        detail = EntryDetail.model_validate_json(event.detail)
        signed = detail.statement
        yield Entry(
            event=EventFact.model_validate(event),
            payload=AtrsEdited.model_validate(detail.told),
            person=signed.person if signed else None,
            role=signed.role if signed else None,
        )
