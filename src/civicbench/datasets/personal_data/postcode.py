"""UK postcodes, those of the crown dependencies and the forces included."""

import re
from collections.abc import Iterator
from typing import Final

from civicbench.datasets.personal_data.surroundings import before

# The inward half is rarer than the outward: it is looked for first.
_INWARD: Final = re.compile(r"\d[ABD-HJLNP-UW-Zabd-hjlnp-uw-z]{2}(?![A-Za-z0-9])")
_OUTWARD: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z]{1,2})(\d[A-Za-z0-9]?)((?: {1,2}|\+|%20)?)$"
)
_OUTWARD_LENGTH: Final = 8
_AREA: Final = re.compile(
    r"A[BL]|B[ABDFHLNRSTX]?|C[ABFHMORTVW]|D[ADEGHLNTY]|E[CHNX]?|F[KY]|G[LUXY]?|H[ADGPRSUX]|I[GMPV]"
    r"|JE|K[ATWY]|L[ADELNSU]?|M[EKL]?|N[EGNPRW]?|O[LX]|P[AEHLOR]|R[GHM]|S[AEGKLMNOPRSTWY]?"
    r"|T[ADFNQRSW]|UB|W[ACDFNRSV]?|YO|ZE"
)
_TWO_DIGIT_AREA: Final = re.compile("AB|LL|SO")
_DISTRICT_ZERO_AREA: Final = re.compile("BL|BS|CM|CR|FY|HA|PR|SL|SS")
_LETTERED_DISTRICTS: Final = re.compile(
    r"E1W|N1[CP]|W1[ABCDEFGHJKPSTUW]|EC[1-4][AMNPRVY]|SW1[AEHPVWXY]|WC[12][ABEHNRVX]|NW1W|SE1P"
)
_NAMED: Final = re.compile(r"post[ _-]?codes?|cod(?:au)? post|zip")
_NAMED_WIDTH: Final = 40
_OTHER_THINGS: Final = re.compile(
    r"(?<![a-z])(?:annex|appendix|section|table|class|junction|figure|schedule|grade|phase|flight"
    r"|tabl|atodiad) ?$"
)
_ORDINAL_OR_UNIT: Final = re.compile("st|nd|rd|th|ft|hr|gb|tb|px|yr|ph|wd|ed")
_OVERSEAS: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:GIR ?0AA|SAN ?TA1|(?:ASCN|BBND|BIQQ|FIQQ|PCRN|SIQQ|STHL|TDCU|TKCA) ?1ZZ)"
    r"(?![A-Za-z0-9])"
)


def find_postcodes(text: str) -> Iterator[tuple[int, int]]:
    """Find postcodes by the format that Royal Mail and the Office for National Statistics publish.

    The area must exist, the district must be one that its area can have, and C, I, K, M, O and V
    stand in no inward half. Whether a postcode of the right format is in use is not asked: the
    list of those changes each quarter.

    Args:
        text: The plain text.

    Yields:
        Start and end of each postcode.
    """
    spans = [found.span() for found in _OVERSEAS.finditer(text)] if _may_be_overseas(text) else []
    for inward in _INWARD.finditer(text):
        place = inward.start()
        from_place = max(0, place - _OUTWARD_LENGTH)
        outward = _OUTWARD.search(text[from_place:place])
        if outward is None:
            continue
        start = from_place + outward.start()
        area, district, gap = outward.groups()
        if not _can_be_outward(area.upper(), district=district.upper()):
            continue
        if _reads_as_postcode(
            text, start=start, outward=area + district, gap=gap, inward=inward[0]
        ):
            spans.append((start, inward.end()))
    yield from sorted(spans)


def _may_be_overseas(text: str) -> bool:
    return "1ZZ" in text or "0AA" in text or "TA1" in text


def _can_be_outward(area: str, *, district: str) -> bool:
    if _AREA.fullmatch(area) is None:
        return False
    if district[-1].isalpha():
        return _LETTERED_DISTRICTS.fullmatch(area + district) is not None
    if district == "0":
        return _DISTRICT_ZERO_AREA.fullmatch(area) is not None
    if district.startswith("0"):
        return False
    return len(district) == 2 or _TWO_DIGIT_AREA.fullmatch(area) is None


def _reads_as_postcode(text: str, *, start: int, outward: str, gap: str, inward: str) -> bool:
    ahead = before(text, place=start, width=_NAMED_WIDTH)
    if _NAMED.search(ahead):
        return True
    if outward.isupper() != inward[1:].isupper() or not (outward + inward[1:]).isalnum():
        return False
    if _OTHER_THINGS.search(ahead):
        return False
    if outward.isupper():
        return bool(gap) or len(outward) > 2
    return bool(gap) and _ORDINAL_OR_UNIT.fullmatch(inward[1:]) is None
