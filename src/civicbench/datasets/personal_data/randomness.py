"""Telling a random value from a word, a path or a name."""

import math
import re
from collections import Counter
from typing import Final

_SHORTEST: Final = 16
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F-]+")
_LEAST_BITS: Final = 3.2
_LEAST_BITS_HEXADECIMAL: Final = 2.7
_LEAST_DIGITS: Final = 3


def looks_random(value: str) -> bool:
    """Say whether a value beside a word such as "token" looks like a secret.

    Random values mix digits and letters evenly. The measure is Shannon's entropy of the
    characters, in bits: about 3.2 and more for 20 random letters and digits, below 2.7 only by
    rare chance for 32 random hexadecimal digits. Words, paths and names have few digits.

    Args:
        value: The value, without quotes.

    Returns:
        True where it looks random.
    """
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    if len(value) < _SHORTEST or letters == 0 or digits == 0:
        return False
    mixed = any(map(str.isupper, value)) and any(map(str.islower, value))
    if not mixed and digits < _LEAST_DIGITS:
        return False
    hexadecimal = _HEXADECIMAL.fullmatch(value) is not None
    return _bits(value) >= (_LEAST_BITS_HEXADECIMAL if hexadecimal else _LEAST_BITS)


def _bits(value: str) -> float:
    length = len(value)
    return -sum(count / length * math.log2(count / length) for count in Counter(value).values())
