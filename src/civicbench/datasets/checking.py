"""Checking that a row has what its conversation and its split need."""

from typing import Literal

from civicbench.datasets.format import Format
from civicbench.datasets.steps.step import (
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
)


class CheckFields(RowStep):
    """Takes out rows that lack a field, or whose answer is empty; not declared by anybody."""

    step: Literal["read", "format"]
    """The name under which it reports."""
    needed: tuple[str, ...]
    """Fields that must be there."""
    format: Format | None
    """What the row must fit; None where a later step makes some of its fields."""

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that checks a row."""
        return self._judge

    def _judge(self, fields: Fields) -> Verdict:
        for name in self.needed:
            value = fields.get(name)
            if value is None:
                return Removed(f"the field {name!r} is missing")
            if isinstance(value, str) and "\x00" in value:
                return Removed(f"the field {name!r} holds a NUL character")
        problem = self.format.problem(fields) if self.format else None
        return Removed(problem) if problem else None
