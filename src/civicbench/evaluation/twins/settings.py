"""What a suite says of its twins: items that come in twos and are read together."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.core.settings import Settings

BothOrSame = Literal["both right", "same decision"]


class TwinMeasure(Settings):
    """What is measured on pairs of items."""

    name: str
    """The measure's name within the suite, different from every task's."""
    title: str
    """Its name for people."""
    asks: BothOrSame
    """"both right" for a request and its look-alike: the share of pairs with two right answers.
    "same decision" for a counterfactual pair: the share of pairs in which the same choice was
    picked, and by how much the readiness to pick the first-listed choice differs."""
    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    """The choice tasks whose items are paired: one that holds both sides, or one for each."""
    sides: tuple[str, str]
    """The values of the side field, first and second: gaps are the first minus the second."""
    headline: bool = True
    """Whether it stands in the short table."""

    @model_validator(mode="after")
    def _sides_differ(self) -> "TwinMeasure":
        if self.sides[0] == self.sides[1]:
            raise ValueError("the two sides have one name")
        return self


class Twins(Settings):
    """Which items are twins, and what is measured on them."""

    pair: str
    """The field whose equal values mark two items as twins; empty where an item has none."""
    side: str
    """The field that says which of the two an item is."""
    measures: Annotated[tuple[TwinMeasure, ...], Field(min_length=1)]
    """What is measured on them."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Twins":
        names = [measure.name for measure in self.measures]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(f"two measures have one name: {', '.join(double)}")
        return self
