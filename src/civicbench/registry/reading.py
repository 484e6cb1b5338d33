"""Reading versions: lists, one whole, and two side by side."""

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.registry import rows
from civicbench.registry.references import resolve
from civicbench.registry.tables import (
    Artefact,
    Event,
    Model,
    Result,
    Verdict,
    Version,
    VersionArtefact,
)
from civicbench.registry.versions import EventFact, ResultFact, VersionDetail, VersionSummary

_SUMMARY = (
    Version.digest,
    Version.model,
    Version.number,
    Version.recipe,
    Version.base,
    Version.state,
    Version.gate_passed,
    Version.created_at,
)


class ResultPair(BaseModel):
    """One metric of two versions, as each was measured against its own base."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suite: str
    """The suite."""
    task: str
    """The task."""
    metric: str
    """The metric."""
    first: ResultFact | None
    """What the first version showed; None where it was not measured."""
    other: ResultFact | None
    """What the other one showed."""


def list_versions(
    session: Session, *, model: str | None, limit: int | None
) -> tuple[VersionSummary, ...]:
    """Return versions, newest first; raises where there is no such model."""
    # Columns, not objects that the session would keep track of: a list is only looked at.
    query: Select[*tuple[object, ...]] = select(*_SUMMARY).order_by(
        Version.created_at.desc(), Version.digest
    )
    if model is not None:
        _check_model(session, model)
        query = query.where(Version.model == model)
    if limit is not None:
        query = query.limit(limit)
    return rows.to_summaries(session.execute(query).all())


def count_versions(session: Session, *, model: str | None) -> int:
    """Return how many versions there are."""
    query = select(func.count()).select_from(Version)
    if model is not None:
        query = query.where(Version.model == model)
    return session.scalar(query) or 0


def live_version(session: Session, *, model: str) -> VersionSummary | None:
    """Return the version of a model that is live, or None."""
    query = select(Version).where(Version.model == model, Version.state == "live")
    version = session.scalars(query).first()
    return rows.to_summary(version) if version else None


def read_events(session: Session) -> tuple[EventFact, ...]:
    """Return the whole event log, oldest first."""
    query = select(Event).order_by(Event.sequence)
    return tuple(EventFact.model_validate(event) for event in session.scalars(query))


def show_version(session: Session, *, reference: str) -> VersionDetail:
    """Return all that the database knows of one version."""
    version = resolve(session, reference=reference)
    own = version.digest
    verdicts = select(Verdict).where(Verdict.version == own).order_by(Verdict.position)
    events = select(Event).where(Event.subject == own).order_by(Event.sequence)
    artefacts = (
        select(VersionArtefact.path, Artefact)
        .join(Artefact, Artefact.digest == VersionArtefact.digest)
        .where(VersionArtefact.version == own)
        .order_by(VersionArtefact.path)
    )
    return rows.to_detail(
        version,
        results=_results(session, own),
        verdicts=list(session.scalars(verdicts)),
        artefacts=[(path, artefact) for path, artefact in session.execute(artefacts)],
        events=list(session.scalars(events)),
    )


def compare_results(session: Session, *, reference: str, other: str) -> tuple[ResultPair, ...]:
    """Return the stored results of two versions side by side, in the first one's order."""
    found = []
    for name in (reference, other):
        version = resolve(session, reference=name)
        facts = [rows.to_result(row) for row in _results(session, version.digest)]
        found.append({(fact.suite, fact.task, fact.metric): fact for fact in facts})
    first, second = found
    return tuple(
        ResultPair(
            suite=suite,
            task=task,
            metric=metric,
            first=first.get((suite, task, metric)),
            other=second.get((suite, task, metric)),
        )
        for suite, task, metric in dict.fromkeys([*first, *second])
    )


def _results(session: Session, version: str) -> list[Result]:
    query = select(Result).where(Result.version == version).order_by(Result.position)
    return list(session.scalars(query))


def _check_model(session: Session, model: str) -> None:
    if session.get(Model, model) is not None:
        return
    known = session.scalars(select(Model.name).order_by(Model.name)).all()
    near = suggest(model, known)
    raise InvalidInputError(
        f"no model is called {model!r}",
        remedy=f"did you mean {near}?" if near else f"known models: {', '.join(known) or 'none'}",
    )
