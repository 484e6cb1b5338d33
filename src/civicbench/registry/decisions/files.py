"""A version's evidence and files, read again with their bytes checked."""

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.registry.evidence import Evidence
from civicbench.registry.store import Store
from civicbench.registry.tables import Version, VersionArtefact


def find_version(session: Session, digest: str) -> Version:
    """Return a version by its whole digest.

    Raises:
        InvalidInputError: It is not registered.
    """
    version = session.get(Version, digest)
    if version is None:
        raise InvalidInputError("no version has that digest", got=digest)
    return version


def read_evidence(store: Store, *, version: Version) -> Evidence:
    """Return a version's evidence.

    Raises:
        IntegrityError: Its bytes are missing, changed, or of another release.
    """
    content = store.get(version.evidence_digest).read_bytes()
    try:
        return Evidence.model_validate_json(content)
    except ValidationError as error:
        raise IntegrityError(
            "was written by another release of Civicbench",
            where=f"the evidence of {version.model}:{version.number}",
            got=str(error.errors(include_url=False)[0]["loc"]),
            remedy="use the release that registered the version",
        ) from None


def check_files(session: Session, store: Store, *, version: Version) -> None:
    """Read every file of a version.

    Raises:
        IntegrityError: One is missing or was changed: what would be decided on is not there.
    """
    query = select(VersionArtefact.digest).where(VersionArtefact.version == version.digest)
    for digest in session.scalars(query.order_by(VersionArtefact.path)):
        store.get(digest)
