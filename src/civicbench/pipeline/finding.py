"""What a look at a machine or a recipe found."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

_SHOWN = 3


class Finding(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    what: str
    """What was looked at."""
    found: str
    """What was found."""
    state: Literal["good", "note", "bad"]
    """bad: something would fail; note: good to know."""
    remedy: str = ""
    """What to do about it."""


def count_rows(names: Sequence[str]) -> str:
    """Return how many rows there are, with the first few by name."""
    more = ", ..." if len(names) > _SHOWN else ""
    counted = "1 row" if len(names) == 1 else f"{len(names):,} rows"
    return f"{counted} ({', '.join(names[:_SHOWN])}{more})"
