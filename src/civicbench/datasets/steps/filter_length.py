"""Leaving out texts that are too short, too long, or unlike in length."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.datasets.steps.step import (
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    text_of,
)

Count = Annotated[int, Field(ge=0)]


class FilterLength(RowStep):
    """Keeps rows whose texts have a fitting length."""

    step: Literal["filter-length"] = "filter-length"
    """The step's name."""
    fields: Annotated[tuple[str, ...], Field(min_length=1)]
    """Which fields; each must fit."""
    minimum_characters: Count = 1
    """Shortest text, blanks at its ends not counted."""
    maximum_characters: Count | None = None
    """Longest text; None for any."""
    minimum_words: Count = 0
    """Fewest words."""
    maximum_words: Count | None = None
    """Most words; None for any."""
    maximum_ratio: Annotated[float, Field(ge=1.0)] | None = None
    """For two fields: how many times as many characters the longer may have; None for any."""
    ratio_from_characters: Count = 20
    """Texts that are both shorter are not compared: a word may well be twice as long as another."""

    @model_validator(mode="after")
    def _ratio_is_of_two(self) -> "FilterLength":
        if self.maximum_ratio is not None and len(self.fields) != 2:
            raise ValueError("maximum_ratio compares two fields")
        return self

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named fields."""
        return self.fields

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that measures a row."""
        return self._judge

    def _judge(self, fields: Fields) -> Verdict:
        lengths = []
        for name in self.fields:
            text = (text_of(fields, name) or "").strip()
            lengths.append(len(text))
            if len(text) < self.minimum_characters:
                return Removed(f"{name} is too short", f"{len(text)} characters")
            if self.maximum_characters is not None and len(text) > self.maximum_characters:
                return Removed(f"{name} is too long", f"{len(text)} characters")
            if self.minimum_words or self.maximum_words is not None:
                words = len(text.split())
                if words < self.minimum_words:
                    return Removed(f"{name} has too few words", f"{words} words")
                if self.maximum_words is not None and words > self.maximum_words:
                    return Removed(f"{name} has too many words", f"{words} words")
        if self.maximum_ratio is not None and max(lengths) >= self.ratio_from_characters:
            shorter, longer = sorted(lengths)
            if longer > self.maximum_ratio * max(shorter, 1):
                return Removed(
                    f"{self.fields[0]} and {self.fields[1]} differ too much in length",
                    f"{lengths[0]} and {lengths[1]} characters",
                )
        return None
