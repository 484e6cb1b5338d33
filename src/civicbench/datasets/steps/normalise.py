"""Normalising text: Unicode forms, invisible characters, blanks, markup."""

import re
import unicodedata
from collections.abc import Callable
from html import unescape
from typing import Literal

from civicbench.datasets.readers.html_text import html_to_text
from civicbench.datasets.steps.step import (
    Changed,
    Fields,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    texts,
)

# Soft hyphens, zero-width characters, direction marks, byte-order marks; not the joiners.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ENDS = re.compile("\r\n?|\u2028|\u2029")
_BLANKS = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" *\n *")
_MANY_LINES = re.compile(r"\n{3,}")
_SHOWN = 80


class Normalise(RowStep):
    """Brings texts into one form; a row is changed, never removed."""

    step: Literal["normalise"] = "normalise"
    """The step's name."""
    fields: tuple[str, ...] | None = None
    """Which fields; None for every text."""
    form: Literal["NFC", "NFKC"] = "NFC"
    """Unicode's normalisation form: NFKC also folds ligatures, widths and superscripts."""
    invisible: Literal["remove", "keep"] = "remove"
    """What becomes of control and zero-width characters and soft hyphens."""
    blanks: Literal["keep", "lines", "one-line"] = "lines"
    """lines: one blank between words, at most one empty line; one-line: no line ends at all."""
    markup: Literal["keep", "unescape", "text"] = "keep"
    """unescape: `&amp;` becomes `&`; text: HTML becomes plain text."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named fields."""
        return self.fields or ()

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that normalises a row."""
        change = self._change()

        def judge(fields: Fields) -> Verdict:
            new: dict[str, str] = {}
            for name, text in texts(fields, self.fields):
                changed = change(text)
                if changed != text:
                    new[name] = changed
            if not new:
                return None
            name = next(iter(new))
            return Changed({**fields, **new}, "text normalised", _show(fields[name], new[name]))

        return judge

    def _change(self) -> Callable[[str], str]:
        def change(text: str) -> str:
            if self.markup == "text" and ("<" in text or "&" in text):
                text = html_to_text(text)
            elif self.markup == "unescape" and "&" in text:
                text = unescape(text)
            text = _ENDS.sub("\n", unicodedata.normalize(self.form, text))
            if self.invisible == "remove":
                text = _CONTROL.sub("", _INVISIBLE.sub("", text))
            if self.blanks == "lines":
                text = _LINE_ENDS.sub("\n", _BLANKS.sub(" ", text))
                return _MANY_LINES.sub("\n\n", text).strip()
            return " ".join(text.split()) if self.blanks == "one-line" else text

        return change


def _show(before: object, after: str) -> str:
    old = str(before)
    place = next((i for i, (a, b) in enumerate(zip(old, after, strict=False)) if a != b),
                 min(len(old), len(after)))  # fmt: skip
    start = max(0, place - 20)
    return f"{old[start : start + _SHOWN]!r} became {after[start : start + _SHOWN]!r}"
