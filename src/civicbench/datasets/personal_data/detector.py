"""Finding personal data in a text, and taking it out."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from civicbench.core.digests import digest_text
from civicbench.datasets.personal_data.bank_details import find_bank_details
from civicbench.datasets.personal_data.email import find_emails
from civicbench.datasets.personal_data.folding import fold
from civicbench.datasets.personal_data.kinds import ALL_KINDS, KINDS, PLACEHOLDERS, Kind
from civicbench.datasets.personal_data.national_insurance_number import (
    find_national_insurance_numbers,
)
from civicbench.datasets.personal_data.nhs_number import find_nhs_numbers
from civicbench.datasets.personal_data.postcode import find_postcodes
from civicbench.datasets.personal_data.secret import find_secrets
from civicbench.datasets.personal_data.surroundings import MASK
from civicbench.datasets.personal_data.uk_phone import find_uk_phones

_Detector = Callable[[str], Iterator[tuple[int, int]]]
_DETECTORS: Final[dict[Kind, _Detector]] = {
    "secret": find_secrets,
    "email": find_emails,
    "bank-details": find_bank_details,
    "nhs-number": find_nhs_numbers,
    "national-insurance-number": find_national_insurance_numbers,
    "uk-phone": find_uk_phones,
    "postcode": find_postcodes,
}
_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_OF_DIGITS: Final[frozenset[Kind]] = frozenset(
    {"bank-details", "nhs-number", "national-insurance-number", "uk-phone"}
)
# No number that is looked for has fewer than six digits in a row, but for spaces and marks.
_SIX_DIGITS: Final = re.compile(r"\d(?:[ .()-]{0,4}\d){5}")
_PLACEHOLDER: Final = re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))


@dataclass(frozen=True)
class Finding:
    """Personal data found in a text."""

    kind: Kind
    """What it is."""
    start: int
    """Where it starts in the text, in characters."""
    end: int
    """Where it ends: the place of the first character after it."""
    text_digest: str
    """sha256 of what was found, for counting what is alike. Not to be published: whoever tries
    all numbers of a kind finds a short number again by its digest."""


def find_personal_data(text: str, *, kinds: frozenset[Kind] = ALL_KINDS) -> list[Finding]:
    """Find personal data.

    Where two findings overlap, the one that starts first is kept; where they start together, the
    one whose kind is named first in `kinds.Kind`, then the longer. What is found is covered and
    the rest looked at again until nothing more turns up: so a text from which the findings were
    taken out by `redact` contains none, whatever stood next to each other.

    Args:
        text: Any text. Time grows in proportion to its length.
        kinds: What to look for.

    Returns:
        Findings in the order of the text; none overlap.
    """
    folded = fold(text)
    plain = folded.text
    if "[" in plain:
        plain = _PLACEHOLDER.sub(lambda found: MASK * len(found[0]), plain)
    spans: list[tuple[int, int, Kind]] = []
    while new := _without_overlaps(_candidates(plain, kinds=kinds)):
        spans.extend(new)
        plain = _covered(plain, spans=new)
    findings = []
    for start, end, kind in sorted(spans):
        first, last = folded.original_span(start=start, end=end)
        findings.append(
            Finding(kind=kind, start=first, end=last, text_digest=digest_text(text[first:last]))
        )
    return findings


def redact(text: str, findings: Sequence[Finding]) -> str:
    """Return the text with the name of its kind in place of each finding.

    Args:
        text: The text in which they were found.
        findings: As `find_personal_data` returned them.

    Returns:
        The text; what stands outside the findings is unchanged.
    """
    pieces = []
    place = 0
    for finding in findings:
        pieces.append(text[place : finding.start])
        pieces.append(PLACEHOLDERS[finding.kind])
        place = finding.end
    pieces.append(text[place:])
    return "".join(pieces)


def _candidates(text: str, *, kinds: frozenset[Kind]) -> Iterator[tuple[int, int, Kind]]:
    has_digits = _SIX_DIGITS.search(text) is not None
    for kind in kinds:
        if kind in _OF_DIGITS and not has_digits:
            continue
        for start, end in _DETECTORS[kind](text):
            yield start, end, kind


def _without_overlaps(
    candidates: Iterable[tuple[int, int, Kind]],
) -> list[tuple[int, int, Kind]]:
    kept: list[tuple[int, int, Kind]] = []
    for span in sorted(candidates, key=lambda span: (span[0], _RANK[span[2]], -span[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _covered(text: str, *, spans: Sequence[tuple[int, int, Kind]]) -> str:
    pieces = []
    place = 0
    for start, end, _ in spans:
        pieces.append(text[place:start])
        pieces.append(MASK * (end - start))
        place = end
    pieces.append(text[place:])
    return "".join(pieces)
