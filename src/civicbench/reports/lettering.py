"""Letters in a picture: how wide they are, and how they are put into lines."""

import unicodedata

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure

from civicbench.pages.characters import visible

_WIDE_LETTER = 4.0
_NARROW_LETTER = 6.0


class Ruler:
    """Measures texts in points, as bold as they can be, apart from any picture."""

    def __init__(self) -> None:
        self._figure = Figure(dpi=72)
        self._renderer = RendererAgg(1, 1, 72)  # type: ignore[no-untyped-call]
        self._known: dict[str, float] = {}

    def width(self, text: str) -> float:
        """Return how wide a line is."""
        if text not in self._known:
            shown = self._figure.text(0, 0, text, parse_math=False, fontweight="bold")
            # A wide letter is as wide as it is high; the box in its place is narrower.
            wide = sum(unicodedata.east_asian_width(letter) in "FW" for letter in text)
            extent = shown.get_window_extent(self._renderer)  # type: ignore[arg-type]
            self._known[text] = float(extent.width) + wide * _WIDE_LETTER
            shown.remove()
        return self._known[text]

    def fit(self, text: str, *, width: float) -> list[str]:
        """Return a text in lines that are no wider than so many points."""
        columns = round(width / _NARROW_LETTER)
        lines = wrap(text, columns=columns)
        while columns > 1 and max(self.width(line) for line in lines) > width:
            columns = columns * 9 // 10
            lines = wrap(text, columns=columns)
        return lines


def wrap(text: str, *, columns: int) -> list[str]:
    """Return a text in lines of at most so many columns, a wide letter taking two.

    Breaks at spaces where it can, and within a word where it must.
    """
    lines = [""]
    for word in visible(text).split():
        for piece in _pieces(word, columns=columns):
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if _columns(joined) <= columns:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines


def _pieces(word: str, *, columns: int) -> list[str]:
    pieces = [""]
    for letter in word:
        if _columns(pieces[-1] + letter) > columns:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "FW" else 1 for letter in text)
