"""One plain form of a text, so that look-alike digits, spaces and dashes hide nothing."""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_DASHES: Final = "‐‑‒–—―−﹘﹣－"
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"


def _equivalents() -> dict[int, str]:
    table = dict.fromkeys(map(ord, _DASHES), "-")
    for code in range(0x80, sys.maxunicode + 1):
        character = chr(code)
        if (digit := unicodedata.digit(character, None)) is not None and character.isdecimal():
            table[code] = str(digit)
        elif unicodedata.category(character) == "Zs":
            table[code] = " "
    for code in range(0xFF01, 0xFF5F):
        table.setdefault(code, chr(code - 0xFEE0))
    return table


_EQUIVALENTS: Final = _equivalents()
# Letters of European languages, curly quotes and the like stay as they are.
_UNUSUAL: Final = re.compile("[^\\x00-\\x9f\\xa1-\\xac\\xae-\\u02ff\\u2018-\\u2029\\u20ac]")
_INVISIBLE_RUN: Final = re.compile(f"[{_INVISIBLE}]+")


@dataclass(frozen=True)
class Folded:
    """A text in its plain form."""

    text: str
    """The text with every decimal digit, space separator, dash and full-width form in ASCII,
    and without invisible characters."""
    origins: Sequence[int] | None
    """For each character its place in the original text; None where nothing was left out."""

    def original_span(self, *, start: int, end: int) -> tuple[int, int]:
        """Return the span in the original text of a span of the plain form."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1


def fold(text: str) -> Folded:
    """Bring a text to its plain form.

    Args:
        text: Any text.

    Returns:
        The plain form. Texts that need none are returned as they are.
    """
    if text.isascii() or _UNUSUAL.search(text) is None:
        return Folded(text=text, origins=None)
    plain = text.translate(_EQUIVALENTS)
    if _INVISIBLE_RUN.search(plain) is None:
        return Folded(text=plain, origins=None)
    pieces: list[str] = []
    origins: list[int] = []
    place = 0
    for run in _INVISIBLE_RUN.finditer(plain):
        pieces.append(plain[place : run.start()])
        origins.extend(range(place, run.start()))
        place = run.end()
    pieces.append(plain[place:])
    origins.extend(range(place, len(plain)))
    return Folded(text="".join(pieces), origins=origins)
