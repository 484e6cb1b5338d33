"""Leaving out rows by a pattern in a field, or because two fields hold the same text."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from civicbench.datasets.steps.step import (
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    text_of,
)

_LOOKED_AT_CHARACTERS = 100_000


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class FilterPattern(RowStep):
    """Keeps or leaves out rows in which a regular expression is found."""

    step: Literal["filter-pattern"] = "filter-pattern"
    """The step's name."""
    field: str
    """Which field; the first 100,000 characters are looked at."""
    keep: Pattern | None = None
    """Keep only rows in which this is found."""
    leave_out: Pattern | None = None
    """Leave out rows in which this is found."""
    reason: str
    """Why, for the report: "a web address, not a sentence"."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "FilterPattern":
        if (self.keep is None) == (self.leave_out is None):
            raise ValueError("give either keep or leave_out")
        return self

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named field."""
        return (self.field,)

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that looks at a row."""
        pattern = re.compile(self.keep if self.keep is not None else self.leave_out or "")
        wanted = self.keep is not None

        def judge(fields: Fields) -> Verdict:
            text = (text_of(fields, self.field) or "")[:_LOOKED_AT_CHARACTERS]
            return None if (pattern.search(text) is not None) == wanted else Removed(self.reason)

        return judge


class FilterSame(RowStep):
    """Leaves out rows in which two fields hold the same text: untranslated, say."""

    step: Literal["filter-same"] = "filter-same"
    """The step's name."""
    fields: Annotated[tuple[str, str], Field()]
    """The two fields; case, blanks and punctuation are not compared."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The two fields."""
        return self.fields

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that compares a row's fields."""
        first, second = self.fields

        def judge(fields: Fields) -> Verdict:
            if folded(text_of(fields, first) or "") == folded(text_of(fields, second) or ""):
                return Removed(f"{first} and {second} are the same text")
            return None

        return judge


_NO_WORD = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """Return a text without case, with one blank for whatever stands between its words."""
    return _NO_WORD.sub(" ", text.casefold()).strip()
