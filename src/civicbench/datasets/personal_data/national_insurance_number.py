"""National Insurance numbers: two letters, six digits, one letter."""

import re
from collections.abc import Iterator
from typing import Final

from civicbench.datasets.personal_data.surroundings import (
    REFERENCE_WORDS,
    evidence_before,
    evidence_pattern,
)

_CANDIDATE: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z])"
    r"[ -]?\d\d[ -]?\d\d[ -]?\d\d(?:[ -]?([A-Da-d]))?(?![A-Za-z0-9])"
)
_UNUSED_PREFIXES: Final = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
_WIDTH: Final = 60
_EVIDENCE: Final = evidence_pattern(
    words_for=(
        r"national[ _-]?insurance(?:[ _-]?(?:number|no))?|nationalinsurancenumber|nino|ni"
        r"|yswiriant gwladol|yg"
    ),
    words_against=REFERENCE_WORDS,
)


def find_national_insurance_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Find National Insurance numbers by the rules of HMRC's manual, NIM39110.

    D, F, I, Q, U and V stand in no prefix, O is no second letter, seven prefixes are not used,
    and the last letter is A to D. People often leave the last letter out or write in lower case:
    such numbers are taken only where words before them name National Insurance.

    Args:
        text: The plain text.

    Yields:
        Start and end of each number.
    """
    for found in _CANDIDATE.finditer(text):
        prefix, suffix = found[1], found[2]
        if prefix.upper() in _UNUSED_PREFIXES:
            continue
        evidence = evidence_before(text, place=found.start(), width=_WIDTH, pattern=_EVIDENCE)
        whole = suffix is not None and (prefix.isupper() or found.end() - found.start() == 9)
        if evidence == "for" or (evidence == "none" and whole):
            yield found.span()
