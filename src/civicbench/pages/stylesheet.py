"""The built stylesheet that every HTML card carries inside itself."""

from pathlib import Path

from civicbench.core.documents import read_text
from civicbench.core.errors import PartAbsentError

STYLESHEET = Path(__file__).resolve().parent / "assets" / "govuk.css"


def check_assets() -> None:
    """Check, before any work starts, that cards can be rendered at its end.

    Raises:
        PartAbsentError: The stylesheet was not built.
    """
    read_stylesheet()


def read_stylesheet() -> str:
    """Return the stylesheet's text.

    Raises:
        PartAbsentError: The stylesheet was not built, or its file is empty.
    """
    if not STYLESHEET.is_file():
        problem = "the cards' stylesheet was not built"
    else:
        text = read_text(STYLESHEET)
        if text.strip():
            return text
        problem = "the cards' stylesheet is empty"
    raise PartAbsentError(
        problem,
        where=str(STYLESHEET),
        remedy="run `make assets` in the checkout; an installed wheel carries the file",
    )
