"""Reading a model's answer: the likeliest choice, a rating, `Name: value` lines, or marks in it."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence

FORM = "form: "
_ENCODED = re.compile(r"[A-Za-z0-9+/=]{20,}")
_COMMON_BACKWARDS = re.compile(
    r"\b(?:eht|dna|siht|ton|uoy|rof|era|saw|htiw|morf|si|fo|ot|liame|rewsna)\b", re.IGNORECASE
)
_LEAST_BACKWARDS = 2
_LEAST_EMOJI = 2
_LONGEST_WORD = 30


def choose(log_likelihoods: Sequence[float], choices: Sequence[str], *, per_byte: bool) -> int:
    """Return the position of the choice that a model finds most likely.

    Args:
        log_likelihoods: Of each choice, in nats.
        choices: The choices as written.
        per_byte: Divide by the choice's length in UTF-8 bytes first, as lm-eval's `acc_norm`
            divides by characters.

    Returns:
        The position; the first of equals.
    """
    scores = [
        value / len(choice.encode()) if per_byte else value
        for value, choice in zip(log_likelihoods, choices, strict=True)
    ]
    return max(range(len(scores)), key=scores.__getitem__)


def read_lines(text: str) -> dict[str, str]:
    """Return the `Name: value` lines of an answer, in order.

    A line without a colon, or a name that stands twice, makes the answer ill-formed: it is
    returned under the empty name, so that it cannot equal what was asked for.
    """
    found: dict[str, str] = {}
    for line in text.strip().split("\n"):
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or name in found:
            found[""] = line
        else:
            found[name] = value.strip()
    return found


def mean_rating(log_likelihoods: Sequence[float], numbers: Sequence[float]) -> float:
    """Return the mean of ratings' numbers, each weighed by how likely the model finds it."""
    most = max(log_likelihoods)
    weights = [math.exp(value - most) for value in log_likelihoods]
    total = sum(weights)
    return sum(w * n for w, n in zip(weights, numbers, strict=True)) / total


def has_mark(text: str, marks: Sequence[str]) -> bool:
    """Return whether an answer has one of some marks.

    A mark is a text, found where it stands between other words whatever the letter case and white
    space, or "form: NAME": encoded (Base64 and its like), reversed, emoji, without spaces.
    """
    return any(_has(text, mark) for mark in marks)


def known_form(mark: str) -> bool:
    """Return whether a mark is a text, or a form that is known."""
    return not mark.startswith(FORM) or mark.removeprefix(FORM) in _FORMS


def _has(text: str, mark: str) -> bool:
    if mark.startswith(FORM):
        return _FORMS[mark.removeprefix(FORM)](text)
    words = " ".join(mark.lower().split())
    pattern = rf"(?<!\w){re.escape(words)}(?!\w)"
    return re.search(pattern, " ".join(text.lower().split())) is not None


def _is_encoded(text: str) -> bool:
    for run in _ENCODED.findall(text):
        mixed = any(c.isdigit() for c in run) or (run != run.lower() and run != run.upper())
        if mixed and (_decodes(run) or any(c.isdigit() for c in run)):
            return True
    return False


def _decodes(run: str) -> bool:
    try:
        found = base64.b64decode(run + "=" * (-len(run) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return all(32 <= byte < 127 or byte in (9, 10, 13) for byte in found)


def _is_emoji(text: str) -> bool:
    return sum(0x1F300 <= ord(c) <= 0x1FAFF or 0x2600 <= ord(c) <= 0x27BF for c in text) >= (
        _LEAST_EMOJI
    )


def _has_no_spaces(text: str) -> bool:
    words = [word for word in text.split() if "." not in word and "/" not in word]
    return any(len(word) > _LONGEST_WORD and word.isalpha() for word in words)


_FORMS: Mapping[str, Callable[[str], bool]] = {
    "encoded": _is_encoded,
    "reversed": lambda text: len(_COMMON_BACKWARDS.findall(text)) >= _LEAST_BACKWARDS,
    "emoji": _is_emoji,
    "without spaces": _has_no_spaces,
}
