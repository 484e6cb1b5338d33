"""What is kept about a dataset snapshot."""

from pydantic import BaseModel, ConfigDict


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


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


class SplitFact(_Fact):
    """One split of a snapshot."""

    name: str
    """train, validation or test."""
    rows: int
    """Its rows."""
    groups: int
    """Its groups (wording families, documents): none stands in two splits."""
    characters: int
    """Characters of all turns."""
    sha256: str
    """Digest of the split's file."""


class SnapshotRecord(_Fact):
    """A dataset snapshot: `snapshot.json` beside a JSON-lines file for each split."""

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
    digest: str
    """Digest of the splits' bytes: the snapshot's name."""
