"""A dataset's settings (`datasets/NAME/dataset.yaml`)."""

from typing import Annotated

from pydantic import Field, model_validator

from civicbench.core.settings import Settings
from civicbench.datasets.formatting import placeholders

# No part begins with a dot, so that a path never leaves the folder.
_PATH = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\.jsonl$"


class FileSource(Settings):
    """A JSON-lines file in the dataset's own folder."""

    file: Annotated[str, Field(pattern=_PATH)]
    """Path within the dataset's folder."""
    licence: str
    """SPDX identifier of the rows' licence."""
    attribution: str
    """Whom to name, and how."""


class Format(Settings):
    """How a row becomes chat messages; `{field}` stands for the row's field."""

    system: str | None = None
    """The system turn; None for none."""
    user: str
    """The user's turn."""
    assistant: str
    """The answer that is trained on."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The row fields that the three turns need."""
        named = [
            name
            for text in (self.system or "", self.user, self.assistant)
            for name in placeholders(text)
        ]
        return tuple(dict.fromkeys(named))


Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Split(Settings):
    """How rows are dealt to train, validation and test: whole groups, never single rows."""

    validation: Share = 0.0
    """Share of groups whose rows are used for the held-out loss."""
    test: Share = 0.0
    """Share of groups whose rows are kept for suites."""
    stratify: str | None = None
    """Field whose values each get the same shares; None deals all groups as one."""
    seed: int = 0
    """Seed of the deal."""

    @model_validator(mode="after")
    def _leave_some_to_train_on(self) -> "Split":
        if self.validation + self.test >= 1.0:
            raise ValueError("validation and test together must leave a share to train on")
        return self


class DatasetSettings(Settings):
    """A curated dataset."""

    name: str
    """The name that recipes use; equals the folder's name."""
    title: str
    """The name that people use."""
    description: str
    """What it holds and what it is for."""
    licence: str
    """SPDX identifier of the whole."""
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    """BCP 47 tags."""
    created: str
    """Year and month in which it was written, as YYYY-MM."""
    personal_data: str
    """What personal data it holds, or why it holds none."""
    limits: tuple[str, ...] = ()
    """Known limits, one a line."""
    sources: Annotated[tuple[FileSource, ...], Field(min_length=1)]
    """Where the rows come from."""
    identifier: str = "id"
    """The field that names a row."""
    group: str
    """The field that names a row's group (wording family, document, service)."""
    format: Format
    """How a row becomes messages."""
    split: Split = Split()
    """How rows are dealt to the splits."""
