"""A dataset's sources on this machine: found, fetched and verified before anything is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.digests import digest_file, digest_listing
from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.fetching import PinnedFile, fetch_file
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.archives import extract_member
from civicbench.datasets.source_settings import (
    AnySource,
    FileSource,
    FolderSource,
    HubDatasetSource,
    PinnedSource,
)


@dataclass(frozen=True)
class Needed:
    """A file that a source needs.

    Attributes:
        role: What the reader needs it for.
        name: Its address, or its path within the dataset's folder.
        sha256: Digest of its bytes.
        pinned: Its address with its digest; None for a file of this machine.
        member: The wanted member, where it is an archive.
        path: Where it stands, for a file of this machine.
    """

    role: str
    name: str
    sha256: str
    pinned: PinnedFile | None = None
    member: str | None = None
    path: Path | None = None


def needed_files(source: AnySource, *, folder: Path) -> list[list[Needed]]:
    """Return the files of a source: a list for each reading, with a file a role.

    Files of this machine are looked at; nothing is fetched.

    Raises:
        PartAbsentError: A file of this machine is missing.
        InvalidInputError: A folder without a fitting file, a link that leads out of it or to
            nothing, or a file that is not UTF-8.
    """
    if isinstance(source, FileSource):
        path = folder / source.file
        _refuse_odd_file(path, within=folder)
        if source.reader is None:
            read_text(path)  # names a missing or non-UTF-8 file before anything is started
        return [[_local("file", source.file, path)]]
    if isinstance(source, FolderSource):
        named = Path(source.folder).expanduser()
        root = named if named.is_absolute() else folder / named
        if not root.is_dir():
            raise PartAbsentError("the source's folder is not there", where=str(root))
        paths = sorted(p for p in root.glob(source.pattern) if not p.is_dir())
        for path in paths:
            _refuse_odd_file(path, within=root)
        if not paths:
            raise InvalidInputError(
                "no file fits the source's pattern", where=str(root), got=source.pattern
            )
        return [[_local("file", path.relative_to(root).as_posix(), path)] for path in paths]
    if isinstance(source, HubDatasetSource):
        return [[_remote("file", source.pinned(entry), None)] for entry in source.files]
    return [
        [_remote(role, source.pinned(part), part.member) for role, part in entry.items()]
        for entry in source.files
    ]


def pinned_files(source: AnySource) -> list[PinnedFile]:
    """Return what a source needs from the web."""
    if isinstance(source, HubDatasetSource):
        return [source.pinned(entry) for entry in source.files]
    if isinstance(source, PinnedSource):
        return [source.pinned(part) for entry in source.files for part in entry.values()]
    return []


def source_digest(files: list[list[Needed]]) -> str:
    """Return the digest of a source: of its file, or of the listing of its files."""
    flat = [needed for entry in files for needed in entry]
    if len(flat) == 1:
        return flat[0].sha256
    return digest_listing({_full_name(needed): needed.sha256 for needed in flat})


def make_ready(
    files: list[list[Needed]], *, workspace: Workspace, reporter: Reporter
) -> Iterator[Mapping[str, Path]]:
    """Yield each reading's files by role, fetched and verified.

    Raises:
        PartAbsentError: Offline and not here, or the address does not give it.
        IntegrityError: Bytes that are not those that were pinned.
        InvalidInputError: An archive that must not be unpacked.
    """
    for entry in files:
        yield {
            needed.role: _ready(needed, workspace=workspace, reporter=reporter) for needed in entry
        }


def _ready(needed: Needed, *, workspace: Workspace, reporter: Reporter) -> Path:
    if needed.pinned is None:
        if needed.path is None or not needed.path.is_file():
            raise PartAbsentError("the source has vanished", where=needed.name)
        return needed.path
    path = fetch_file(needed.pinned, workspace=workspace, reporter=reporter)
    if needed.member is None:
        return path
    unpacked = workspace.downloads / "unpacked" / needed.sha256 / needed.member
    return extract_member(path, needed.member, target=unpacked)


def _local(role: str, name: str, path: Path) -> Needed:
    if not path.is_file():
        raise PartAbsentError("no such file", where=str(path))
    return Needed(role, name, digest_file(path), path=path)


def _refuse_odd_file(path: Path, *, within: Path) -> None:
    """Refuse what is no plain file, and a link that leads out of a source's folder."""
    if path.is_dir() or not (path.exists() or path.is_symlink()):
        return  # named by whoever opens it
    if not path.is_file():
        raise InvalidInputError(
            "is a link to nothing" if path.is_symlink() else "is not a plain file",
            where=str(path),
            remedy="take it away, or put the file itself there",
        )
    if not path.resolve().is_relative_to(within.resolve()):
        raise InvalidInputError(
            "is a link that leads out of the source's folder",
            where=str(path),
            got=str(path.resolve()),
            remedy="put the file itself there, or name its folder as a source",
        )


def _remote(role: str, pinned: PinnedFile, member: str | None) -> Needed:
    return Needed(role, pinned.url, pinned.sha256, pinned=pinned, member=member)


def _full_name(needed: Needed) -> str:
    return needed.name if needed.member is None else f"{needed.name}!{needed.member}"
