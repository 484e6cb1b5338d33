"""UK telephone numbers, as people write them."""

import re
from collections.abc import Iterator
from typing import Final

from civicbench.datasets.personal_data.surroundings import (
    REFERENCE_WORDS,
    evidence_before,
    evidence_pattern,
)

_CANDIDATE: Final = re.compile(
    r"(?<![\w£$€#.+-])(?:1800[12][ -]?)?(?:"
    r"\(?(?:\+|00)44\)?[ .-]{0,2}(?:\(0\)[ .-]{0,2})?(?P<national>\(?[1-9](?:[ .()-]{0,2}\d){8,11})"
    r"|(?P<local>\(?0(?:[ .()-]{0,2}\d){7,13}))"
)
_EXTENSION: Final = re.compile(
    r"[ ,]{0,2}\(?(?:ext(?:ension|n)?\.?|x|est(?:yniad)?\.?)[ :.]{0,2}\d{1,6}(?!\w)\)?",
    re.IGNORECASE,
)
_RANGES: Final = re.compile(r"0(?:1[1-9]|2[03489]|3[03478]|306|5[56]|7[0-9]|80|8[47]|9[018])")
_DIGITS: Final = re.compile(r"\d+")
_CHILDLINE: Final = "08001111"
_SHORT_AREAS: Final = (
    "01204",
    "01208",
    "01254",
    "01276",
    "01297",
    "01298",
    "01363",
    "01364",
    "01384",
    "01386",
    "01404",
    "01420",
    "01460",
    "01461",
    "01480",
    "01488",
    "01524",
    "01527",
    "01562",
    "01566",
    "01606",
    "01629",
    "01635",
    "01647",
    "01659",
    "01695",
    "01697",
    "01726",
    "01744",
    "01750",
    "01827",
    "01837",
    "01884",
    "01900",
    "01905",
    "01935",
    "01946",
    "01949",
    "01963",
    "01995",
)
"""Areas in which some numbers have five digits after the code."""
_WIDTH: Final = 32
_EVIDENCE: Final = evidence_pattern(
    words_for=(
        r"tel|telephone|tele?no|phone|phones|mobile|mob|call|ring|dial|fax|text|txt|whatsapp"
        r"|contact|number is|ffôn|ffoniwch|symudol|galwch"
    ),
    words_against=REFERENCE_WORDS + r"|account|cyfrif",
)


def find_uk_phones(text: str) -> Iterator[tuple[int, int]]:
    """Find UK phone numbers with their extension.

    Ranges and lengths are those of Ofcom's National Telephone Numbering Plan. Numbers that Ofcom
    keeps for drama are phone numbers too: a text is judged by what it looks like.

    Args:
        text: The plain text.

    Yields:
        Start and end of each number.
    """
    for found in _CANDIDATE.finditer(text):
        abroad = found["national"] is not None
        start, limit = found.span("national" if abroad else "local")
        end = _number_end(text, start=start, limit=limit, abroad=abroad)
        if end is None:
            continue
        if not abroad:
            evidence = evidence_before(text, place=found.start(), width=_WIDTH, pattern=_EVIDENCE)
            if evidence == "against":
                continue
        if extension := _EXTENSION.match(text, end):
            end = extension.end()
        start = found.start()
        if text.count("(", start, end) != text.count(")", start, end):
            start += text[start] == "("
        yield start, end


def _number_end(text: str, *, start: int, limit: int, abroad: bool) -> int | None:
    """Return where the number that starts here ends, or None where there is none."""
    places = [place for place in range(start, limit) if text[place].isdigit()]
    digits = "".join(text[place] for place in places)
    if abroad:
        digits = "0" + digits
        places.insert(0, start)
    if _RANGES.match(digits) is None:
        return None
    for length in _lengths(digits):
        if len(digits) < length:
            continue
        end = places[length - 1] + 1
        if text[end : end + 1].isalnum() or (
            text[end : end + 1] in ("-", ".") and text[end + 1 : end + 2].isdigit()
        ):
            continue
        if abroad or _is_grouped_as_phone(text[start:end]):
            return end
    return None


def _lengths(digits: str) -> tuple[int, ...]:
    if digits.startswith(_CHILDLINE):
        return (8,)
    if digits.startswith(("0800", "0500")):
        return (11, 10)
    if digits.startswith(_SHORT_AREAS):
        return (11, 10)
    return (11,)


def _is_grouped_as_phone(written: str) -> bool:
    """Tell 01632 960 123 from 01-02-2026 1000: codes have three digits or more, groups two."""
    first, *others = _DIGITS.findall(written)
    return len(first) >= 3 and all(len(group) >= 2 for group in others)
