"""Filling `{field}` places in a text with a row's values: plain replacement, no expressions."""

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def placeholders(text: str) -> tuple[str, ...]:
    """Return the field names that stand in braces in a text, in order."""
    return tuple(_PLACE.findall(text))


def fill(text: str, fields: Mapping[str, object]) -> str:
    """Return a text with each `{field}` replaced by the row's value.

    Values are put in as they are: braces inside a value are not read again.

    Raises:
        KeyError: The row lacks a field.
    """
    return _PLACE.sub(lambda match: str(fields[match.group(1)]), text)
