"""E-mail addresses."""

import re
from collections.abc import Iterator
from typing import Final

_LOCAL_REVERSED: Final = re.compile(r"[\w.+%'’&-]{1,128}")
_DOMAIN: Final = re.compile(r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_]{2,24}(?!\w)")
_LOCAL_LENGTH: Final = 128
_FILE_ENDING: Final = re.compile("png|jpe?g|gif|webp|svg|ico|css|m?[jt]s|map|json|pdf")


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Find e-mail addresses.

    Not found: handles (`@name`), hosts without a dot, `git@host:path`, file names such as
    `logo@2x.png`, and the user of a URL (`https://name@host/`) or a
    variable in its place (`$NAME@host`).

    Args:
        text: The plain text.

    Yields:
        Start and end of each address.
    """
    end = 0
    place = text.find("@")
    while place != -1:
        domain = _DOMAIN.match(text, place + 1)
        if domain is not None:
            first = max(end, place - _LOCAL_LENGTH)
            local = _LOCAL_REVERSED.match(text[first:place][::-1])
            if local is not None:
                name = local[0][::-1].lstrip(".'’&-%+")
                start = place - len(name)
                if name.strip(".") and not _is_other(text, start=start, end=domain.end()):
                    yield start, domain.end()
                    end = domain.end()
        place = text.find("@", place + 1)


def _is_other(text: str, *, start: int, end: int) -> bool:
    address = text[start:end]
    return (
        text[max(0, start - 3) : start] == "://"
        or text[max(0, start - 1) : start] == "$"
        or (address.startswith("git@") and text[end : end + 1] == ":")
        or _FILE_ENDING.fullmatch(address.rpartition(".")[2].lower()) is not None
    )
