"""What all steps share: what they are given, and what they say of a row."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from civicbench.core.settings import Settings
from civicbench.datasets.format import Format
from civicbench.datasets.readers.record import Scalar

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Numbers = NDArray[numpy.int64]
    Keys = NDArray[numpy.uint64]

Fields = dict[str, Scalar]
KEPT = -1


@dataclass(frozen=True, slots=True)
class Reference:
    """A text that no training row may repeat: an item of a suite."""

    suite: str
    """The suite."""
    item: str
    """The item's name in it."""
    text: str
    """What is asked or answered."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What steps may know beside the row."""

    format: Format
    """How rows become conversations."""
    references: tuple[Reference, ...] = ()
    """Items of the suites that the dataset is kept apart from."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A row that a step takes out."""

    reason: str
    """Why, in words that many rows share: they are counted."""
    detail: str = ""
    """What is listed for this row alone."""
    refuse: bool = False
    """Whether the whole build stops for it."""
    private: bool = False
    """Whether the row's text must not be shown in reports."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that goes on with other values, or a kept row that is counted."""

    fields: Fields
    """Its fields from here on."""
    reason: str
    """What was done, in words that many rows share."""
    example: str = ""
    """What to show of it."""


Verdict = Removed | Changed | None
RowFunction = Callable[[Fields], Verdict]
KeyFunction = Callable[[Fields], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a whole step decided."""

    because: "Numbers"
    """For each row: -1 where it is kept, else the number of the row for whose sake it goes (its
    own number where no other row is the cause)."""
    reason: str
    """Why rows go, in words that all of them share."""


class RowStep(Settings):
    """A step that looks at one row at a time."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """Fields that rows must have for the step to make sense."""
        return ()

    @property
    def made_fields(self) -> tuple[str, ...]:
        """Fields that the step makes."""
        return ()

    @abstractmethod
    def open(self, context: StepContext) -> RowFunction:
        """Return the function that judges a row; called once in each process."""


class WholeStep(Settings):
    """A step that decides over all rows from keys of a few whole numbers."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """Fields that rows must have for the step to make sense."""
        return ()

    @property
    @abstractmethod
    def key_columns(self) -> int:
        """How many numbers of 64 bits a row's key has."""

    @abstractmethod
    def open_key(self, context: StepContext) -> KeyFunction:
        """Return the function that makes a row's key; called once in each process."""

    @abstractmethod
    def decide(
        self, column: Callable[[int], "Keys"], row: Callable[[int], Fields], context: StepContext
    ) -> Decisions:
        """Decide which rows go.

        Args:
            column: Gives one column of all rows' keys.
            row: Gives the fields of the row of a number.
            context: What steps may know.
        """


def text_of(fields: Mapping[str, Scalar], name: str) -> str | None:
    """Return a field's text, or None where it holds none."""
    value = fields.get(name)
    return value if isinstance(value, str) else None


def texts(fields: Fields, names: Sequence[str] | None) -> list[tuple[str, str]]:
    """Return (name, text) of the named fields that hold text; of all where None."""
    chosen = fields if names is None else names
    return [(name, text) for name in chosen if (text := text_of(fields, name)) is not None]
