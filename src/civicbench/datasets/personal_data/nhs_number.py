"""NHS numbers: ten digits, the last a check digit."""

import re
from collections.abc import Iterator
from typing import Final

from civicbench.datasets.personal_data.surroundings import (
    REFERENCE_WORDS,
    evidence_before,
    evidence_pattern,
)

_CANDIDATE: Final = re.compile(
    r"(?<![\w.+£$€#/-])(?:\d{10}|(?<!\d )\d{3}[ -]\d{3}[ -]\d{4}(?! \d))(?![\w/-])(?!\.\d)"
)
_WEIGHTS: Final = range(10, 1, -1)
_WIDTH: Final = 60
_NAMED: Final = r"nhs|nhs[_-]?(?:number|no|num|id)|gig|chi|h&c|hcn"
_NAMED_BEFORE: Final = evidence_pattern(words_for=_NAMED, words_against=REFERENCE_WORDS)
_EVIDENCE: Final = evidence_pattern(
    words_for=(
        _NAMED + r"|health|hospital|patients?|gp|clinic|surgery|ward|referral"
        r"|iechyd|claf|cleifion|ysbyty|meddyg"
    ),
    words_against=REFERENCE_WORDS + r"|tel|phone|mobile|account|acc|cyfrif|ffôn",
)


def find_nhs_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Find NHS numbers, with Scotland's CHI and Northern Ireland's H&C numbers.

    The check is that of the NHS Data Dictionary: weights 10 to 2, modulus 11. One number in
    eleven passes it by chance. So a number outside the ranges that are given out (320-499, 600-799)
    or kept for tests (999) is taken only where a word before it names the NHS number, and none
    is taken where the nearest word before it says that it is a reference.

    Args:
        text: The plain text.

    Yields:
        Start and end of each number.
    """
    for found in _CANDIDATE.finditer(text):
        digits = found[0].replace(" ", "").replace("-", "")
        if not passes_check(digits):
            continue
        pattern = _EVIDENCE if _is_given_out(digits) else _NAMED_BEFORE
        evidence = evidence_before(text, place=found.start(), width=_WIDTH, pattern=pattern)
        if evidence == "for" or (evidence == "none" and pattern is _EVIDENCE):
            yield found.span()


def passes_check(digits: str) -> bool:
    """Say whether ten digits carry the right check digit and are not all the same."""
    total = sum(
        weight * int(digit) for weight, digit in zip(_WEIGHTS, digits[:9], strict=True)
    ) + int(digits[9])
    return total % 11 == 0 and len(set(digits)) > 1


def _is_given_out(digits: str) -> bool:
    start = int(digits[:3])
    return 320 <= start <= 499 or 600 <= start <= 799 or start == 999
