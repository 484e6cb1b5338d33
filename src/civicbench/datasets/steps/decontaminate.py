"""Leaving out rows that repeat what a suite asks: a model must not be trained on its test."""

from collections import defaultdict
from typing import Annotated, Literal

from pydantic import Field

from civicbench.datasets.steps.filter_pattern import folded
from civicbench.datasets.steps.shingles import band_keys, bands_for, overlap, pieces
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
    Compared are the fields that the user's turn and the answer are made of, as words without case
    and punctuation. A suite's item that is shorter than `words` must be found in a row whole; one
    shorter than `shortest_words` counts only where a field says nothing else.
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
        self._runs: defaultdict[int, dict[str, Reference]] = defaultdict(dict)
        self._bands: list[dict[int, list[int]]] = []
        self._pieces: list[tuple[Reference, set[str]]] = []
        for reference in references:
            self._add(reference)

    def _add(self, reference: Reference) -> None:
        words = folded(reference.text).split()
        if not words:
            return
        self._whole.setdefault(" ".join(words), reference)
        if len(words) >= self._settings.shortest_words:
            length = min(len(words), self._settings.words)
            for run in _runs(words, length):
                self._runs[length].setdefault(run, reference)
        if self._settings.near is not None:
            found = pieces(reference.text)
            number = len(self._pieces)
            self._pieces.append((reference, found))
            keys = band_keys(found, bands=bands_for(self._settings.near)).tolist()
            self._bands = self._bands or [{} for _ in keys]
            for band, key in zip(self._bands, keys, strict=True):
                band.setdefault(key, []).append(number)

    def find(self, text: str) -> tuple[Reference, str] | None:
        """Return the first item that a text overlaps with, and how, or None."""
        words = folded(text).split()
        whole = self._whole.get(" ".join(words))
        if whole is not None:
            return whole, "is"
        for length in sorted(self._runs, reverse=True):
            known = self._runs[length]
            for run in _runs(words, length):
                if run in known:
                    return known[run], f"{length} words in a row of"
        return self._near(text) if self._pieces and words else None

    def _near(self, text: str) -> tuple[Reference, str] | None:
        threshold = self._settings.near or 1.0
        found = pieces(text)
        keys = band_keys(found, bands=len(self._bands)).tolist()
        met = {
            number
            for band, key in zip(self._bands, keys, strict=True)
            for number in band.get(key, ())
        }
        for number in sorted(met):
            reference, other = self._pieces[number]
            share = overlap(found, other)
            if share >= threshold:
                return reference, f"{share:.0%} the same as"
        return None


def _runs(words: list[str], length: int) -> list[str]:
    return [" ".join(words[i : i + length]) for i in range(len(words) - length + 1)]
