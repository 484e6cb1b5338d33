"""Leaving out rows that repeat what a suite asks: a model must not be trained on its test."""

import math
from collections import Counter, defaultdict
from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.datasets.steps.filter_pattern import folded
from civicbench.datasets.steps.shingles import overlap, pieces
from civicbench.datasets.steps.step import (
    Fields,
    Reference,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    texts,
)  # fmt: skip


class Decontaminate(RowStep):
    """Leaves out rows that overlap with an item of a suite.

    The suites are those named here and, where the dataset is built for a recipe, the recipe's.
    Compared are the fields that the user's turn, the answer and a rejected answer are made of, as
    words without case and punctuation. A suite's item that is shorter than `words` must be found in
    a row whole; one shorter than `shortest_words` counts only where a field says nothing else.
    """

    step: Literal["decontaminate"] = "decontaminate"
    """The step's name."""
    suites: tuple[str, ...] = ()
    """Suites to keep apart from in every build, beside those of the recipe."""
    words: Annotated[int, Field(ge=3)] = 13
    """How many words in a row in common are an overlap (13: Brown and others, 2020, GPT-3)."""
    shortest_words: Annotated[int, Field(ge=1)] = 6
    """The shortest item that is looked for inside longer texts."""
    near: Annotated[float, Field(ge=0.7, le=1.0)] | None = 0.8
    """Share of common runs of five characters from which a field is too near to an item; None
    looks for common words alone."""

    @model_validator(mode="after")
    def _shortest_is_no_longer(self) -> "Decontaminate":
        if self.shortest_words > self.words:
            raise ValueError("shortest_words must not be above words")
        return self

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that compares a row with every item."""
        index = OverlapIndex(self, context.references)
        names = context.format.turn_fields

        def judge(fields: Fields) -> Verdict:
            for name, text in texts(fields, names):
                found = index.find(text)
                if found is not None:
                    reference, how = found
                    return Removed(
                        f"overlaps with suite {reference.suite}",
                        f"{name}: {how} item {reference.item}",
                    )
            return None

        return judge


class OverlapIndex:
    """Items of suites, ready to be compared with texts."""

    def __init__(self, settings: Decontaminate, references: tuple[Reference, ...]) -> None:
        self._settings = settings
        self._whole: dict[str, Reference] = {}
        # Runs that an overlap of any length holds at least one of.
        self._short: set[str] = set()
        self._runs: defaultdict[int, dict[str, Reference]] = defaultdict(dict)
        for reference in references:
            self._add(reference)
        self._near = NearIndex(references, share=settings.near) if settings.near else None

    def _add(self, reference: Reference) -> None:
        words = folded(reference.text).split()
        if not words:
            return
        self._whole.setdefault(" ".join(words), reference)
        if len(words) >= self._settings.shortest_words:
            self._short.update(_runs(words, self._settings.shortest_words))
            length = min(len(words), self._settings.words)
            for run in _runs(words, length):
                self._runs[length].setdefault(run, reference)

    def find(self, text: str) -> tuple[Reference, str] | None:
        """Return the first item that a text overlaps with, and how, or None."""
        words = folded(text).split()
        if not words:
            return None
        whole = self._whole.get(" ".join(words))
        if whole is not None:
            return whole, "is"
        if not self._short.isdisjoint(_runs(words, self._settings.shortest_words)):
            for length in sorted(self._runs, reverse=True):
                known = self._runs[length]
                for run in _runs(words, length):
                    if run in known:
                        return known[run], f"{length} words in a row of"
        return self._near.find(text) if self._near else None


class NearIndex:
    """Texts by their rarest pieces, so that every text near to one of them is found.

    A text that shares a share t of all pieces with an item of n pieces has at least t n of those;
    so it has one of any n - ceil(t n) + 1 of them, and the rarest are taken (prefix filtering:
    Chaudhuri, Ganti, Kaushik, 2006).

    Args:
        references: The items.
        share: From which share of common pieces a text is near.
    """

    def __init__(self, references: tuple[Reference, ...], *, share: float) -> None:
        self._share = share
        self._items = [(reference, pieces(reference.text)) for reference in references]
        known = Counter(piece for _, found in self._items for piece in found)
        self._rare: defaultdict[str, list[int]] = defaultdict(list)
        for number, (_, found) in enumerate(self._items):
            ordered = sorted(found, key=lambda piece: (known[piece], piece))
            for piece in ordered[: len(ordered) - math.ceil(share * len(ordered)) + 1]:
                self._rare[piece].append(number)

    def find(self, text: str) -> tuple[Reference, str] | None:
        """Return the first item that a text is near to, and how near, or None."""
        found = pieces(text)
        met = {number for piece in found & self._rare.keys() for number in self._rare[piece]}
        for number in sorted(met):
            reference, other = self._items[number]
            # No share of common pieces is above that of the sizes.
            if min(len(found), len(other)) < self._share * max(len(found), len(other)):
                continue
            share = overlap(found, other)
            if share >= self._share:
                return reference, f"{share:.0%} the same as"
        return None


def _runs(words: list[str], length: int) -> list[str]:
    return [" ".join(words[i : i + length]) for i in range(len(words) - length + 1)]
