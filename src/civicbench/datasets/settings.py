"""A dataset's settings (`datasets/NAME/dataset.yaml`)."""

from typing import Annotated

from pydantic import Field, model_validator

from civicbench.core.settings import Settings
from civicbench.datasets.format import Format
from civicbench.datasets.formatting import placeholders
from civicbench.datasets.source_settings import AnySource
from civicbench.datasets.split_files import SplitFormat
from civicbench.datasets.steps.exact_duplicates import ExactDuplicates
from civicbench.datasets.steps.settings import StepSettings

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Split(Settings):
    """How rows are dealt to train, validation and test: whole groups, never single rows."""

    validation: Share = 0.0
    """Share of groups whose rows are used for the held-out loss."""
    test: Share = 0.0
    """Share of groups whose rows are kept for suites."""
    validation_groups: tuple[str, ...] = ()
    """Groups that go to validation by name, whatever the shares."""
    test_groups: tuple[str, ...] = ()
    """Groups that go to test by name, whatever the shares."""
    stratify: str | None = None
    """Field whose values each get the same shares; None deals all groups as one."""
    seed: int = 0
    """Seed of the deal."""
    same_prompts: bool = False
    """Whether a held-out row may ask what a training row asks, word for word; if not, it is left
    out and listed."""

    @model_validator(mode="after")
    def _leave_some_to_train_on(self) -> "Split":
        if self.validation + self.test >= 1.0:
            raise ValueError("validation and test together must leave a share to train on")
        if both := set(self.validation_groups) & set(self.test_groups):
            raise ValueError(f"a group is named for validation and for test: {sorted(both)[0]}")
        return self


class DatasetSettings(Settings):
    """A curated dataset."""

    name: str
    """The name that recipes use; equals the folder's name."""
    title: str
    """The name that people use."""
    description: str
    """What it holds and what it is for."""
    licence: Annotated[str, Field(min_length=1)]
    """SPDX expression of the whole."""
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    """BCP 47 tags."""
    created: str
    """Year and month in which it was written, as YYYY-MM."""
    personal_data: str
    """What personal data it holds, or why it holds none."""
    limits: tuple[str, ...] = ()
    """Known limits, one a line."""
    sources: Annotated[tuple[AnySource, ...], Field(min_length=1)]
    """Where the rows come from."""
    identifier: str = "id"
    """The field that names a row, or a text with fields in braces: `{service}/{key}`."""
    group: str
    """The field that names a row's group (wording family, document, service), or a text with
    fields in braces."""
    steps: tuple[StepSettings, ...] = (ExactDuplicates(),)
    """What is done to the rows, in order, between reading and splitting."""
    format: Format
    """How a row becomes messages."""
    split: Split = Split()
    """How rows are dealt to the splits."""
    written_as: SplitFormat = "jsonl"
    """How the snapshot's splits are written: JSON lines, or Parquet, which is smaller and loads
    faster elsewhere. The rows and the snapshot's digest are the same."""

    @model_validator(mode="after")
    def _sources_have_names_of_their_own(self) -> "DatasetSettings":
        labels = [source.label for source in self.sources]
        double = sorted({label for label in labels if labels.count(label) > 1})
        if double:
            raise ValueError(f"two sources have one name: {', '.join(double)}")
        return self

    @property
    def identifier_text(self) -> str:
        """The identifier as a text with fields in braces."""
        return _in_braces(self.identifier)

    @property
    def group_text(self) -> str:
        """The group as a text with fields in braces."""
        return _in_braces(self.group)

    @property
    def needed_fields(self) -> tuple[str, ...]:
        """The fields that a row must have in the end."""
        named = [
            *placeholders(self.identifier_text),
            *placeholders(self.group_text),
            *self.format.fields,
        ]
        if self.split.stratify is not None:
            named.append(self.split.stratify)
        return tuple(dict.fromkeys(named))


def _in_braces(name: str) -> str:
    """Return a text with fields in braces as it is, and the name of a field in braces."""
    return name if "{" in name else f"{{{name}}}"
