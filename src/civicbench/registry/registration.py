"""Writing a version's rows and its event, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from civicbench.core.errors import IntegrityError
from civicbench.registry import rows
from civicbench.registry.chain import append_event
from civicbench.registry.decisions.kinds import REGISTERED_NAME
from civicbench.registry.decisions.projection import Grants, project
from civicbench.registry.evidence import Evidence
from civicbench.registry.store import Store
from civicbench.registry.tables import (
    Artefact,
    Model,
    Result,
    Verdict,
    Version,
    VersionArtefact,
)
from civicbench.registry.versions import RegistrationDetail


def insert_version(
    session: Session,
    *,
    evidence: Evidence,
    digests: Mapping[str, str],
    store: Store,
    trained_by: Sequence[str],
) -> Version:
    """Insert a version that is not there yet, under its model's next number.

    Args:
        session: From `Database.write`: nobody else takes the same number.
        evidence: All that is known of the version.
        digests: sha256 of each of its files by path.
        store: Where those files stand already.
        trained_by: Accounts that own what training made.
    """
    now = datetime.now(UTC)
    model = evidence.model_name
    if session.get(Model, model) is None:
        session.add(Model(name=model, created_at=now))
        session.flush()
    last = session.scalar(select(func.max(Version.number)).where(Version.model == model))
    version = Version(**rows.version_values(evidence, number=(last or 0) + 1, created_at=now))
    session.add(version)
    session.flush()
    _insert_artefacts(session, version=version.digest, digests=digests, store=store)
    results, verdicts = rows.result_values(evidence), rows.verdict_values(evidence)
    if results:
        session.execute(insert(Result), results)
    if verdicts:
        session.execute(insert(Verdict), verdicts)
    detail = RegistrationDetail(
        model=version.model,
        number=version.number,
        recipe=version.recipe,
        base=version.base,
        state=version.state,
        evidence_digest=version.evidence_digest,
        adapter_digest=version.adapter_digest,
        gate_passed=version.gate_passed,
        artefacts=dict(digests),
        trained_by=tuple(sorted(set(trained_by))),
        supersedes=_drafts(session, version),
    )
    event = append_event(
        session, at=now, kind=REGISTERED_NAME, subject=version.digest, detail=detail
    )
    for row in project(event, grants=Grants()):
        session.add(row)
        session.flush()
    return version


def _drafts(session: Session, version: Version) -> tuple[str, ...]:
    """Return the drafts of the same weights that an evaluated version stands in for."""
    if version.state == "draft":
        return ()
    query = select(Version.digest).where(
        Version.model == version.model,
        Version.adapter_digest == version.adapter_digest,
        Version.state == "draft",
    )
    return tuple(session.scalars(query.order_by(Version.number)))


def _insert_artefacts(
    session: Session, *, version: str, digests: Mapping[str, str], store: Store
) -> None:
    known = select(Artefact.digest).where(Artefact.digest.in_(digests.values()))
    present = set(session.scalars(known))
    for path, digest in digests.items():
        if digest not in present:
            present.add(digest)
            size_bytes = store.size_bytes(digest)
            if size_bytes is None:
                raise IntegrityError("is missing from the store", where=path, got=digest)
            session.add(
                Artefact(digest=digest, size_bytes=size_bytes, media_type=rows.media_type(path))
            )
    session.flush()
    session.add_all(
        VersionArtefact(version=version, path=path, digest=digest)
        for path, digest in digests.items()
    )
