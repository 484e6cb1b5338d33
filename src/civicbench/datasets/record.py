"""What is kept about a dataset snapshot."""

from pydantic import BaseModel, ConfigDict, Field

from civicbench.datasets.split_files import SplitFormat


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FileFact(_Fact):
    """One file of a source."""

    name: str
    """Address, or path in the source's folder."""
    sha256: str
    """Digest of its bytes."""


class ReasonFact(_Fact):
    """One reason for which a step removed or changed rows."""

    reason: str
    """The reason."""
    rows: int
    """Rows that it applied to."""


class SourceFact(_Fact):
    """One source of a snapshot."""

    name: str
    """File or address."""
    sha256: str
    """Digest of its bytes."""
    licence: str
    """SPDX identifier of its licence."""
    attribution: str
    """Whom to name, and how."""
    rows: int
    """Rows read from it."""
    malformed: int = 0
    """Places in it at which a record should stand and none could be read."""
    files: tuple[FileFact, ...] = ()
    """Its files, where it has more than one or they are on the web."""


class StepFact(_Fact):
    """What one curation step did."""

    name: str
    """The step."""
    rows_in: int
    """Rows it was given."""
    rows_out: int
    """Rows it passed on."""
    note: str
    """What it did, with figures."""
    removed: tuple[ReasonFact, ...] = ()
    """Why rows were removed."""
    changed: tuple[ReasonFact, ...] = ()
    """What was changed or found in rows that stayed."""
    examples: tuple[str, ...] = ()
    """A few rows that were removed or changed, shortened, without personal data that is known."""


class SplitFact(_Fact):
    """One split of a snapshot."""

    name: str
    """train, validation or test."""
    rows: int
    """Its rows."""
    groups: int
    """Its groups (wording families, documents): none stands in two splits."""
    characters: int
    """Characters of all turns and rejected answers."""
    sha256: str
    """Digest of the split's file."""
    rows_sha256: str = ""
    """Digest of its rows as JSON lines; empty where the file itself is that."""


class SnapshotRecord(_Fact):
    """A dataset snapshot: `snapshot.json` beside a file for each split."""

    name: str
    """The dataset's name."""
    title: str
    """Its name for people."""
    description: str
    """What it holds."""
    licence: str
    """SPDX identifier of the whole."""
    languages: tuple[str, ...]
    """BCP 47 tags."""
    personal_data: str
    """What was said about personal data."""
    limits: tuple[str, ...]
    """Known limits, one a line."""
    sources: tuple[SourceFact, ...]
    """Where the rows come from."""
    steps: tuple[StepFact, ...]
    """What was done to them, in order."""
    splits: tuple[SplitFact, ...]
    """The splits."""
    excluded: int = 0
    """Rows and records left out: lines of `excluded.jsonl` beside it, each with its reason."""
    kept_apart_from: tuple[str, ...] = ()
    """Suites whose items the rows were compared with, and left out where they overlapped."""
    written_as: SplitFormat = "jsonl"
    """How the splits are written, and the ending of their files."""
    # Records that were written before there were preferences keep their digests.
    preferences: bool = Field(default=False, exclude_if=lambda preferences: not preferences)
    """Whether every row has a rejected answer beside the chosen one; not written where none has."""
    digest: str
    """Digest of the splits' rows as JSON lines, however they are written: the snapshot's name."""
