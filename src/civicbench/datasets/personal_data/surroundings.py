"""What stands around a number: the words that say what it is."""

import re
from typing import Final, Literal

MASK: Final = "\x1c"
"""Stands for text that was found already. No judgement looks across it, so a text is judged
alike before and after what was found in it has been replaced."""

Evidence = Literal["for", "against", "none"]

REFERENCE_WORDS: Final = (
    r"utr|taxpayer|tax reference|ref|reference|order|invoice|isbn(?:-1[03])?|vat|case|ticket"
    r"|tracking|uprn|urn|serial|timestamp|float|part|policy|claim|charity|company|barcode|gtin"
    r"|licence|tender|batch|job|certificate|eori|catalogue|application|contract|version|uuid"
    r"|id|mpan|mprn|meter|product|model|voucher|cyfeirnod|cyfeirio|anfoneb|archeb|cwmni|elusen"
)
"""Words before numbers that are nobody's: references, products, companies."""


def before(text: str, *, place: int, width: int) -> str:
    """Return what stands before a place, in lower case.

    Args:
        text: The plain text.
        place: The place.
        width: How many characters to look at.

    Returns:
        At most `width` characters, none from across a mask.
    """
    piece = text[max(0, place - width) : place]
    return piece[piece.rfind(MASK) + 1 :].lower()


def after(text: str, *, place: int, width: int) -> str:
    """Return what stands after a place, in lower case, none of it from across a mask."""
    return text[place : place + width].partition(MASK)[0].lower()


def evidence_pattern(*, words_for: str, words_against: str) -> re.Pattern[str]:
    """Return a pattern of words that speak for and against, for `evidence_before`."""
    return re.compile(
        rf"(?<![a-z0-9])(?:(?P<for>{words_for})|(?P<against>{words_against}))(?![a-z])"
    )


def evidence_before(text: str, *, place: int, width: int, pattern: re.Pattern[str]) -> Evidence:
    """Say what the nearest telling word before a place says.

    Args:
        text: The plain text.
        place: Where the number starts.
        width: How many characters to look at.
        pattern: Made by `evidence_pattern`.

    Returns:
        "for" or "against" by the nearest word, "none" where there is no such word.
    """
    evidence: Evidence = "none"
    for found in pattern.finditer(before(text, place=place, width=width)):
        evidence = "for" if found.lastgroup == "for" else "against"
    return evidence
