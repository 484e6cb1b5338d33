"""Where a dataset's rows come from: its own files, pinned files, a hub dataset, a folder."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from civicbench.core.fetching import PinnedFile, Sha256
from civicbench.core.settings import Settings
from civicbench.datasets.readers.settings import ReaderSettings

# No part begins with a dot, so that a path never leaves the folder.
_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_PATH = rf"^{_PART}(/{_PART})*$"
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Scalar = str | int | float | bool | None


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("must be a path within, with / between its parts and without ..")
    return path


InsidePath = Annotated[str, AfterValidator(_inside)]


class Source(Settings):
    """What every source says of itself."""

    licence: Text
    """SPDX expression of the rows' licence."""
    attribution: Text
    """Whom to name, and how."""
    fields: dict[str, Scalar] = {}
    """Fields that every row of the source gets, such as the service that it belongs to."""
    mistakes: Literal["refuse", "exclude"] = "exclude"
    """What happens to a record that cannot be used: `refuse` stops the build and lists them all,
    `exclude` leaves it out, counted and listed with its place."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The source's name for people."""


class FileSource(Source):
    """A file in the dataset's own folder."""

    file: Annotated[str, Field(pattern=_PATH)]
    """Path within the dataset's folder."""
    reader: ReaderSettings | None = None
    """How it is read; None reads JSON lines, one flat object a line, that somebody wrote here."""
    mistakes: Literal["refuse", "exclude"] = "refuse"
    """What happens to a record that cannot be used: `refuse` stops the build and lists them all,
    `exclude` leaves it out, counted and listed with its place."""

    @model_validator(mode="after")
    def _one_file_is_enough(self) -> "FileSource":
        if self.reader is None and not self.file.endswith(".jsonl"):
            raise ValueError("a file that does not end in .jsonl needs a `reader`")
        _check_roles(self.reader.roles if self.reader else ("file",), [{"file": self.file}])
        return self

    @property
    def label(self) -> str:
        """The file."""
        return self.file


class PinnedPart(Settings):
    """A pinned file, or a member of a pinned archive."""

    url: str
    """Address of the file, or its rest after the source's `base`."""
    sha256: Sha256
    """Digest of its bytes."""
    member: InsidePath | None = None
    """The path of the wanted file in a zip or tar archive; None where the file itself is read."""


class PinnedSource(Source):
    """Files on the web, each pinned by its digest."""

    name: Text
    """The source's name in records and reports."""
    base: str | None = None
    """What the addresses of `files` begin with; None where they are whole."""
    reader: ReaderSettings
    """How the files are read."""
    files: Annotated[tuple[dict[str, PinnedPart], ...], Field(min_length=1)]
    """The files, in the order in which they are read; each entry gives every role that the reader
    needs a file (`file`, or a language tag each for files in pairs)."""

    @model_validator(mode="after")
    def _every_role_has_a_file(self) -> "PinnedSource":
        _check_roles(self.reader.roles, self.files)
        for entry in self.files:
            for part in entry.values():
                self.pinned(part)
        return self

    def pinned(self, part: PinnedPart) -> PinnedFile:
        """Return a part's whole address with its digest."""
        url = f"{self.base.rstrip('/')}/{part.url}" if self.base else part.url
        return PinnedFile(url=url, sha256=part.sha256)

    @property
    def label(self) -> str:
        """The given name."""
        return self.name


class HubFile(Settings):
    """A file of a hub dataset."""

    file: InsidePath
    """Its path in the repository."""
    sha256: Sha256
    """Digest of its bytes."""


class HubDatasetSource(Source):
    """Files of a Hugging Face dataset at one revision."""

    hub: Annotated[str, Field(pattern=rf"^{_PART}/{_PART}$")]
    """The repository, as OWNER/NAME."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The commit: branches and tags move."""
    files: Annotated[tuple[HubFile, ...], Field(min_length=1)]
    """The files to read, in order; scripts are never run."""
    reader: ReaderSettings
    """How they are read."""

    @model_validator(mode="after")
    def _one_role(self) -> "HubDatasetSource":
        _check_roles(self.reader.roles, [{"file": entry.file} for entry in self.files])
        for entry in self.files:
            self.pinned(entry)
        return self

    def pinned(self, entry: HubFile) -> PinnedFile:
        """Return a file's address with its digest."""
        url = f"https://huggingface.co/datasets/{self.hub}/resolve/{self.revision}/{entry.file}"
        return PinnedFile(url=url, sha256=entry.sha256)

    @property
    def label(self) -> str:
        """The repository with the beginning of its revision."""
        return f"{self.hub}@{self.revision[:12]}"


class FolderSource(Source):
    """A folder of the user's own files, on this machine."""

    folder: Text
    """The folder: absolute, from the home folder (~), or from the dataset's own."""
    name: Text | None = None
    """The source's name in reports; None takes the folder's last part with the pattern."""
    pattern: Annotated[InsidePath, Field(min_length=1)] = "*"
    """Which of its files are read, in the order of their names."""
    reader: ReaderSettings
    """How each is read: jsonl, csv, parquet or another."""

    @model_validator(mode="after")
    def _one_role(self) -> "FolderSource":
        _check_roles(self.reader.roles, [{"file": ""}])
        return self

    @property
    def label(self) -> str:
        """The given name, or no more of the path than any machine may know."""
        return self.name or f"{Path(self.folder).name}/{self.pattern}"


def _check_roles(roles: tuple[str, ...], entries: Iterable[Mapping[str, object]]) -> None:
    for entry in entries:
        if set(entry) != set(roles):
            raise ValueError(
                f"the reader needs a file for {', '.join(roles)}, and is given {', '.join(entry)}"
            )


_KINDS = {"file": "file", "hub": "hub", "folder": "folder"}


def _kind(value: Any) -> str:
    """Return which kind of source a mapping describes, by the key that only it has."""
    if isinstance(value, Source):
        names = {FileSource: "file", HubDatasetSource: "hub", FolderSource: "folder"}
        return names.get(type(value), "pinned")
    if isinstance(value, Mapping):
        for key, kind in _KINDS.items():
            if key in value:
                return kind
    return "pinned"


AnySource = Annotated[
    Annotated[FileSource, Tag("file")]
    | Annotated[PinnedSource, Tag("pinned")]
    | Annotated[HubDatasetSource, Tag("hub")]
    | Annotated[FolderSource, Tag("folder")],
    Discriminator(_kind),
]
