"""Leaving out translations whose placeholders or numbers differ from the original's."""

import re
from collections import Counter
from typing import Literal

from civicbench.datasets.steps.step import (
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    text_of,
)  # fmt: skip

_PLACEHOLDER = re.compile(
    r"\{\{[^{}]{0,200}\}\}"  # i18next, Jinja
    r"|%\{[^{}]{0,200}\}"  # Rails
    r"|\{[^{}]{0,200}\}"  # MessageFormat
    r"|%(?:\d+\$)?[-+0]{0,3}\d{0,4}(?:\.\d{1,4})?(?:ll|l|h)?[@dufsc](?![a-zA-Z])"  # printf
)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_LEADING_ZERO = re.compile(r"^0(?=\d$)")
_BLANKS = re.compile(r"\s+")
_SHOWN = 5


class FilterAgreement(RowStep):
    """Leaves out rows of parallel text in which a placeholder or a number is not the same."""

    step: Literal["filter-agreement"] = "filter-agreement"
    """The step's name."""
    fields: tuple[str, str]
    """The original and the translation."""
    placeholders: bool = True
    """Whether both must have the same placeholders (`{0}`, `{{name}}`, `%{count}`, `%1$@`), each
    as many times; blanks inside them are not compared."""
    numbers: Literal["equal", "compatible", "ignore"] = "compatible"
    """equal: the same numbers on both sides; compatible: numbers may be written as words on one
    side, so a row goes only where each side has one that the other lacks; ignore: not compared.
    Numbers inside placeholders and tags do not count."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """Both fields."""
        return self.fields

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that compares a row's texts."""
        return self._judge

    def _judge(self, fields: Fields) -> Verdict:
        first, second = (text_of(fields, name) or "" for name in self.fields)
        if self.placeholders:
            more, less = _differences(_placeholders(first), _placeholders(second))
            if more or less:
                return Removed("placeholders differ", _list(more, less))
        if self.numbers != "ignore":
            more, less = _differences(_numbers(first), _numbers(second))
            if (more and less) or (self.numbers == "equal" and (more or less)):
                return Removed("numbers differ", _list(more, less))
        return None


def _placeholders(text: str) -> Counter[str]:
    return Counter(_BLANKS.sub("", found) for found in _PLACEHOLDER.findall(text))


def _numbers(text: str) -> Counter[str]:
    bare = _PLACEHOLDER.sub(" ", _TAG.sub(" ", text))
    # 1,000 and 1000, 10:30 and 10.30, 08 and 8 are the same; 0300 begins a telephone number.
    return Counter(
        _LEADING_ZERO.sub("", found.replace(",", "").replace(":", "."))
        for found in _NUMBER.findall(bare)
    )


def _differences(first: Counter[str], second: Counter[str]) -> tuple[list[str], list[str]]:
    return sorted((first - second).elements()), sorted((second - first).elements())


def _list(more: list[str], less: list[str]) -> str:
    sides = (("only in the first", more), ("only in the second", less))
    return "; ".join(f"{side}: {', '.join(found[:_SHOWN])}" for side, found in sides if found)
