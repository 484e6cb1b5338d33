"""Making a field out of a part of another."""

import re
from typing import Literal

from pydantic import model_validator

from civicbench.datasets.steps.filter_pattern import Pattern
from civicbench.datasets.steps.step import (
    Changed,
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    text_of,
)


class Extract(RowStep):
    """Makes a field from what a regular expression's first group finds in another."""

    step: Literal["extract"] = "extract"
    """The step's name."""
    field: str
    """Where it is looked for."""
    pattern: Pattern
    """A regular expression with one group."""
    into: str
    """The field that is made."""

    @model_validator(mode="after")
    def _one_group(self) -> "Extract":
        if re.compile(self.pattern).groups != 1:
            raise ValueError("pattern must have exactly one group in round brackets")
        return self

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The field that is looked into."""
        return (self.field,)

    @property
    def made_fields(self) -> tuple[str, ...]:
        """The field that is made."""
        return (self.into,)

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that extracts a row's part."""
        pattern = re.compile(self.pattern)

        def judge(fields: Fields) -> Verdict:
            found = pattern.search(text_of(fields, self.field) or "")
            if found is None or found[1] is None:
                return Removed(f"{self.field} has no {self.into}", str(fields.get(self.field))[:80])
            return Changed(fields | {self.into: found[1]}, f"{self.into} found")

        return judge
