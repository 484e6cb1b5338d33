"""What of the evidence is copied into tables, and how it is read back.

Registration writes these rows and verification makes them again to compare.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from civicbench.core.digests import canonical_json
from civicbench.core.errors import IntegrityError
from civicbench.evaluation.results import Estimate
from civicbench.registry.evidence import Evidence
from civicbench.registry.gates import RuleVerdict
from civicbench.registry.tables import Artefact, Event, Result, Table, Verdict, Version
from civicbench.registry.versions import (
    ArtefactFact,
    EventFact,
    Interval,
    ResultFact,
    RuleFact,
    State,
    VersionDetail,
    VersionSummary,
)

_SUMMARIES = TypeAdapter(list[VersionSummary])
Values = dict[str, str | int | float | bool | datetime | None]
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}


def registered_state(evidence: Evidence) -> State:
    """Return the state in which a version begins: a draft until suites were run on it."""
    return "evaluated" if evidence.suites else "draft"


def version_values(evidence: Evidence, *, number: int, created_at: datetime) -> Values:
    """Return the row of a version as it is registered."""
    digest = evidence.digest
    return {
        "digest": digest,
        "model": evidence.model_name,
        "number": number,
        "recipe": evidence.recipe.name,
        "base": evidence.base.name,
        "state": registered_state(evidence),
        "evidence_digest": digest,
        "adapter_digest": evidence.training.adapter_digest,
        "created_at": created_at,
        "gate_passed": evidence.gate.passed,
    }


def result_values(evidence: Evidence) -> list[Values]:
    """Return a row for each comparison, in the evidence's order."""
    version = evidence.digest
    return [
        {
            "version": version,
            "position": position,
            "suite": comparison.suite,
            "task": comparison.task,
            "title": comparison.title,
            "kind": comparison.kind,
            "metric": comparison.metric,
            "better": comparison.better,
            "headline": comparison.headline,
            "items": comparison.difference.items,
            **_ends("base", estimate=comparison.base),
            **_ends("tuned", estimate=comparison.tuned),
            **_ends("difference", estimate=comparison.difference),
            "p_value": comparison.p_value,
            "verdict": comparison.verdict,
        }
        for position, comparison in enumerate(evidence.comparisons, start=1)
    ]


def verdict_values(evidence: Evidence) -> list[Values]:
    """Return a row for each rule of the gate, in the gate's order."""
    version = evidence.digest
    return [
        {
            "version": version,
            "position": position,
            "gate": evidence.gate.gate,
            "gate_digest": evidence.gate.digest,
            "rule": verdict.rule.name,
            "passed": verdict.passed,
            "detail": canonical_json(verdict.model_dump(mode="json")),
        }
        for position, verdict in enumerate(evidence.gate.rules, start=1)
    ]


def values_of(row: Table) -> Values:
    """Return a row's columns, to compare with what was written."""
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}


def media_type(path: str) -> str:
    """Return the media type of an artefact by its path's ending."""
    _, dot, ending = path.rpartition(".")
    return _MEDIA_TYPES.get(dot + ending, "application/octet-stream")


@contextlib.contextmanager
def rows_explained(where: str) -> Iterator[None]:
    """Turn a row that this release cannot have written into an error that says so.

    Args:
        where: What was being read, for the message.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise IntegrityError(
            "the registry holds a row that was changed by other means",
            where=where,
            got=f"{'.'.join(str(part) for part in first['loc'])}: {first['input']!r}",
            remedy="restore the registry from a backup, and find out who changed it",
        ) from error


def to_summary(row: Version) -> VersionSummary:
    """Return a version's row as a summary."""
    return VersionSummary(
        digest=row.digest,
        reference=f"{row.model}:{row.number}",
        model=row.model,
        number=row.number,
        recipe=row.recipe,
        base=row.base,
        state=row.state,
        gate_passed=row.gate_passed,
        created_at=row.created_at,
    )


def to_summaries(found: Sequence[Any]) -> tuple[VersionSummary, ...]:
    """Return rows of a version's summary columns as summaries, all at once."""
    return tuple(
        _SUMMARIES.validate_python(
            [row._asdict() | {"reference": f"{row.model}:{row.number}"} for row in found]
        )
    )


def to_detail(
    row: Version,
    *,
    results: list[Result],
    verdicts: list[Verdict],
    artefacts: list[tuple[str, Artefact]],
    events: list[Event],
) -> VersionDetail:
    """Return a version's rows as one object."""
    return VersionDetail(
        **to_summary(row).model_dump(),
        evidence_digest=row.evidence_digest,
        adapter_digest=row.adapter_digest,
        results=tuple(to_result(result) for result in results),
        rules=tuple(_to_rule(verdict) for verdict in verdicts),
        artefacts=tuple(
            ArtefactFact(
                path=path,
                digest=artefact.digest,
                size_bytes=artefact.size_bytes,
                media_type=artefact.media_type,
            )
            for path, artefact in artefacts
        ),
        events=tuple(EventFact.model_validate(event) for event in events),
    )


def _ends(whose: str, *, estimate: Estimate) -> Values:
    return {
        f"{whose}_value": estimate.value,
        f"{whose}_low": estimate.low,
        f"{whose}_high": estimate.high,
    }


def _to_rule(row: Verdict) -> RuleFact:
    return RuleFact(
        gate=row.gate,
        gate_digest=row.gate_digest,
        rule=row.rule,
        passed=row.passed,
        detail=RuleVerdict.model_validate_json(row.detail),
    )


def to_result(row: Result) -> ResultFact:
    """Return a result's row as a fact."""
    return ResultFact(
        suite=row.suite,
        task=row.task,
        title=row.title,
        kind=row.kind,
        metric=row.metric,
        better=row.better,
        headline=row.headline,
        items=row.items,
        base=Interval(value=row.base_value, low=row.base_low, high=row.base_high),
        tuned=Interval(value=row.tuned_value, low=row.tuned_low, high=row.tuned_high),
        difference=Interval(
            value=row.difference_value, low=row.difference_low, high=row.difference_high
        ),
        p_value=row.p_value,
        verdict=row.verdict,
    )
