"""A mirror's list of what it holds: `MANIFEST.tsv` at its top."""

import csv
import io
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.fetching import PinnedFile, Sha256
from civicbench.core.files import write_text_whole
from civicbench.core.settings import Settings

MANIFEST_NAME = "MANIFEST.tsv"
_COLUMNS = ("url", "sha256", "bytes", "licence")


class ManifestEntry(Settings):
    """One file of a mirror."""

    url: str
    """Its address on the web; for a file that has none of its own, its path in the mirror."""
    sha256: Sha256
    """Digest of its bytes."""
    bytes: int
    """Its length."""
    licence: str
    """What its licence is said to be; empty where nobody said."""

    @property
    def pinned(self) -> PinnedFile | None:
        """The file with its address, or None where it has no address of its own."""
        if not self.url.startswith("https://"):
            return None
        return PinnedFile(url=self.url, sha256=self.sha256)

    @property
    def place(self) -> Path:
        """Its path in the mirror."""
        return self.pinned.place if self.pinned else Path(self.url)


def own_manifest(folder: Path) -> Path:
    """Return where a mirror lists its files.

    Raises:
        PartAbsentError: The folder is no mirror.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise PartAbsentError(f"is no mirror: it has no {MANIFEST_NAME}", where=str(folder),
                              remedy=f"civicbench mirror sync {folder} --dataset NAME")  # fmt: skip
    return path


def read_manifest(path: Path) -> list[ManifestEntry]:
    """Return the entries of a manifest.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: Another header, or lines with mistakes, each with its number.
    """
    rows = list(csv.reader(io.StringIO(read_text(path)), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or tuple(rows[0]) != _COLUMNS:
        raise InvalidInputError(
            "is no manifest of a mirror", where=str(path),
            got="\t".join(rows[0])[:80] if rows else "an empty file",
            remedy=f"its first line must be {', '.join(_COLUMNS)}, with tabs between",
        )  # fmt: skip
    entries, mistakes = [], []
    for number, row in enumerate(rows[1:], start=2):
        try:
            entries.append(_entry(row))
        except (ValueError, ValidationError) as error:
            said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            mistakes.append(f"line {number}: {said}")
    if mistakes:
        shown = [f"  - {mistake}" for mistake in mistakes[:20]]
        raise InvalidInputError(
            "\n".join([f"{len(mistakes)} lines cannot be used", *shown]), where=str(path)
        )
    return entries


def write_manifest(path: Path, entries: list[ManifestEntry]) -> None:
    """Write a manifest whole, its entries in the order of their addresses."""
    lines = ["\t".join(_COLUMNS)]
    for entry in sorted(entries, key=lambda entry: entry.url):
        lines.append("\t".join((entry.url, entry.sha256, str(entry.bytes), entry.licence)))
    write_text_whole(path, "\n".join(lines) + "\n")


def _entry(row: list[str]) -> ManifestEntry:
    if len(row) != len(_COLUMNS):
        raise ValueError(f"{len(row)} columns where there should be {len(_COLUMNS)}")
    entry = ManifestEntry.model_validate(dict(zip(_COLUMNS, row, strict=True)))
    parts = PurePosixPath(entry.place.as_posix()).parts
    if not parts or entry.place.is_absolute() or ".." in parts:
        raise ValueError("a path that leaves the mirror")
    return entry
