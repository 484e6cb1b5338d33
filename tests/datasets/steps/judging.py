"""Applying a step to rows without a build."""

from typing import Any

import numpy as np
from pydantic import TypeAdapter

from civicbench.datasets.format import Format
from civicbench.datasets.steps.settings import StepSettings
from civicbench.datasets.steps.step import (
    Changed,
    Fields,
    Reference,
    Removed,
    RowStep,
    StepContext,
    WholeStep,
)

_ADAPTER: TypeAdapter[Any] = TypeAdapter(StepSettings)
FORMAT = Format(user="{en}", assistant="{cy}")


def judge(step: dict[str, Any], fields: Fields, references: tuple[Reference, ...] = ()) -> Any:
    """Return what a row step says of one row."""
    made = _ADAPTER.validate_python(step)
    assert isinstance(made, RowStep)
    return made.open(StepContext(FORMAT, references))(fields)


def reason(step: dict[str, Any], references: tuple[Reference, ...] = (), **fields: Any) -> str:
    """Return why a row step removes a row, or nothing."""
    verdict = judge(step, {"en": "text", "cy": "testun", **fields}, references)
    return verdict.reason if isinstance(verdict, Removed) else ""


def changed(step: dict[str, Any], **fields: Any) -> Fields:
    """Return a row after a step that changes it, or as it was."""
    verdict = judge(step, fields)
    assert not isinstance(verdict, Removed)
    return verdict.fields if isinstance(verdict, Changed) else fields


def kept(step: dict[str, Any], rows: list[Fields]) -> list[int]:
    """Return the numbers of the rows that a whole step keeps."""
    return [n for n, cause in enumerate(causes(step, rows)) if cause == -1]


def causes(step: dict[str, Any], rows: list[Fields]) -> list[int]:
    """Return for each row the number of the row for whose sake it goes, or -1."""
    made = _ADAPTER.validate_python(step)
    assert isinstance(made, WholeStep)
    context = StepContext(FORMAT)
    key = made.open_key(context)
    keys = np.array([list(key(row)) for row in rows], dtype=np.uint64)
    decisions = made.decide(lambda column: keys[:, column], lambda n: rows[n], context)
    found: list[int] = decisions.because.tolist()
    return found
