"""Where the text of a licence stands, by its SPDX identifier."""

import re

from civicbench.pages.document import Cell, Link, Words

_JOINED = re.compile(r"\s+(?:AND|OR)\s+")
_SPDX = "https://spdx.org/licenses/{identifier}.html"
_OTHERS = {
    # Not on SPDX's list.
    "OPL-UK-3.0": "https://www.parliament.uk/site-information/copyright-parliament/"
    "open-parliament-licence/",
}
_ON_THE_LIST = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0",
        "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0",
        "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0",
        "CDLA-Sharing-1.0", "EUPL-1.2", "GPL-2.0-only", "GPL-3.0-only", "ISC", "MIT", "MPL-2.0",
        "ODC-By-1.0", "ODbL-1.0", "OGL-UK-1.0", "OGL-UK-2.0", "OGL-UK-3.0", "PDDL-1.0",
        "Unlicense",
    }
)  # fmt: skip


def licence_address(identifier: str) -> str | None:
    """Return where a licence's text stands, or None where that is not known here."""
    if identifier in _ON_THE_LIST:
        return _SPDX.format(identifier=identifier)
    return _OTHERS.get(identifier)


def is_on_the_list(identifier: str) -> bool:
    """Return whether an identifier is known to stand on SPDX's list."""
    return identifier in _ON_THE_LIST


def licence_parts(expression: str) -> list[str]:
    """Return the licences that an expression joins by AND or OR."""
    return _JOINED.split(expression)


def link_licence(expression: str) -> Cell:
    """Return a licence expression as a cell: each of its licences linked where its text is known.

    Args:
        expression: SPDX identifiers joined by AND or OR.
    """
    if licence_address(expression) is None and not _JOINED.search(expression):
        return (Words(expression),)
    parts = _JOINED.split(expression)
    joined = expression if len(parts) > 1 else None
    links = tuple(
        Link(part, address) if (address := licence_address(part)) else Words(part) for part in parts
    )
    return (Words(joined), *links) if joined else links
