"""The languages of a snapshot's texts, measured on a sample of its rows."""

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.datasets.rows import SPLITS, Row, iterate_split

if TYPE_CHECKING:
    from lingua import LanguageDetector

SAMPLED_ROWS = 1000
MINIMUM_LETTERS = 20
CERTAINTY = 0.9
# The detector takes as long as the text is, and is as sure of a paragraph as of a page.
_LOOKED_AT_CHARACTERS = 500
_QUICKLY_SURE = 0.97
_SEED = 0
# Addresses, placeholders and tags are in no language.
_NO_LANGUAGE = re.compile(
    r"https?://\S+|www\.\S+|\S+@\S+|\{\{.{0,200}?\}\}|\{.{0,200}?\}|<[^<>]{0,2000}>"
)
# Beside the declared ones: those in which UK public services most often publish or are written to.
# The detector chooses among them; the fewer, the surer.
_MAY_TURN_UP = ("ar", "bn", "cy", "de", "en", "es", "fa", "fr", "ga", "gu", "hi", "it", "lt", "pa",
                "pl", "pt", "ro", "ru", "so", "ta", "tr", "uk", "ur", "zh")  # fmt: skip


@dataclass(frozen=True)
class LanguageCounts:
    """In which languages one field of the sampled rows is.

    Attributes:
        field: The field.
        texts: Texts that were looked at.
        too_short: Of these, those with too few letters to be judged.
        unsure: Those of which the detector was not sure.
        told: How many are in each language, by two-letter code (ISO 639-1), most first.
    """

    field: str
    texts: int
    too_short: int
    unsure: int
    told: tuple[tuple[str, int], ...]


def judged_part(text: str) -> str:
    """Return what of a text tells its language: its beginning without addresses and codes."""
    return _NO_LANGUAGE.sub(" ", text[:_LOOKED_AT_CHARACTERS])


def count_letters(text: str) -> int:
    """Return how many letters a text has."""
    return sum(map(str.isalpha, text))


def measure_languages(
    snapshot: Path, *, fields: Sequence[str], declared: Sequence[str]
) -> tuple[LanguageCounts, ...]:
    """Return the languages of a sample of rows, field by field (detector: lingua).

    The sample is the same on every machine: the rows whose names' digests come first.

    Args:
        snapshot: The snapshot's folder.
        fields: The fields to look at; one that holds no text is left out.
        declared: BCP 47 tags of the languages that the dataset says it is in.
    """
    rows = _sample(snapshot)
    told = {field: Counter[str]() for field in fields}
    judge: _Judge | None = None
    for row in rows:
        for field in fields:
            text = row.fields.get(field)
            if not isinstance(text, str):
                continue
            part = judged_part(text)
            if count_letters(part) < MINIMUM_LETTERS:
                told[field]["too short"] += 1
                continue
            judge = judge or _Judge(declared)
            told[field][judge.language(part) or "unsure"] += 1
    return tuple(_counts(field, counter) for field, counter in told.items() if counter)


def _counts(field: str, counter: Counter[str]) -> LanguageCounts:
    texts = counter.total()
    too_short, unsure = counter.pop("too short", 0), counter.pop("unsure", 0)
    ordered = tuple(sorted(counter.items(), key=lambda entry: (-entry[1], entry[0])))
    return LanguageCounts(field, texts, too_short, unsure, ordered)


def _sample(snapshot: Path) -> list[Row]:
    def lots() -> Iterator[tuple[str, int, Row]]:
        number = 0
        for split in SPLITS:
            for row in iterate_split(snapshot, split):
                lot = sha256(f"{_SEED}:{row.id}".encode("utf-8", "surrogatepass")).hexdigest()
                number += 1
                yield lot, number, row

    return [row for _, _, row in heapq.nsmallest(SAMPLED_ROWS, lots())]


class _Judge:
    """Tells a text's language; asks the slow detector only where the quick one is not sure."""

    def __init__(self, declared: Sequence[str]) -> None:
        from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

        known = {language.iso_code_639_1.name.lower(): language for language in Language.all()}
        wanted = {tag.partition("-")[0].lower() for tag in declared}
        tags = sorted({*wanted, *_MAY_TURN_UP} & set(known))
        codes = [IsoCode639_1.from_str(tag) for tag in tags]
        builder = LanguageDetectorBuilder.from_iso_codes_639_1
        self._declared = {known[tag]: tag for tag in sorted(wanted & set(known))}
        self._slow: LanguageDetector = builder(*codes).build()
        self._quick: LanguageDetector = builder(*codes).with_low_accuracy_mode().build()

    def language(self, text: str) -> str | None:
        """Return the two-letter code, or None where the detector is not sure."""
        best = self._quick.compute_language_confidence_values(text)[0]
        if best.value >= _QUICKLY_SURE and best.language in self._declared:
            return self._declared[best.language]
        best = self._slow.compute_language_confidence_values(text)[0]
        return best.language.iso_code_639_1.name.lower() if best.value >= CERTAINTY else None
