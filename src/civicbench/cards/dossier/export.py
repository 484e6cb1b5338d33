"""Exporting a version as a dossier."""

from dataclasses import dataclass
from pathlib import Path

from civicbench.cards.dossier.contents import collect_dossier
from civicbench.cards.dossier.writing import write_archive
from civicbench.cards.verifier.program import verify_dossier
from civicbench.core.digests import digest_file
from civicbench.core.errors import InvalidInputError
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey
from civicbench.registry.versions import VersionDetail

DOSSIER_ENDING = ".dossier.zip"


@dataclass(frozen=True)
class ExportedDossier:
    """A dossier that was written, and verified after that.

    Attributes:
        path: The archive.
        sha256: sha256 of its bytes.
        version: The version.
        head: Head of the log that it holds.
        files: How many files it has.
    """

    path: Path
    sha256: str
    version: VersionDetail
    head: str
    files: int


def dossier_name(version: VersionDetail) -> str:
    """Return what a version's dossier is called: `MODEL-NUMBER.dossier.zip`."""
    return f"{version.model}-{version.number}{DOSSIER_ENDING}"


def export_dossier(
    registry: Registry, reference: str, *, path: Path | None, signer: PersonKey
) -> ExportedDossier:
    """Write a version's dossier, and check it as whoever receives it would.

    Args:
        registry: The registry.
        reference: The version.
        path: The archive, or a folder that it goes into; None for the working folder.
        signer: Who makes the dossier, and signs for it.

    Raises:
        InvalidInputError: The archive stands already, or nothing has that name.
        NotAllowedError: The signer's key is not enrolled, or was retired.
        IntegrityError: A stored file is missing or was changed.
        DiskFullError: No space; nothing is left behind.
    """
    place = Path() if path is None else path
    if path is not None and path.exists() and not path.is_dir():
        raise InvalidInputError(
            "stands already, and nothing is written over", where=str(path),
            remedy="remove it, or name another file",
        )  # fmt: skip
    version, contents = collect_dossier(registry, reference, signer=signer)
    if place.is_dir():
        place = place / dossier_name(version)
    write_archive(place, contents)
    found = verify_dossier(str(place), [], [], version.digest)
    return ExportedDossier(
        path=place,
        sha256=digest_file(place),
        version=version,
        head=found["head"],
        files=len(contents),
    )
