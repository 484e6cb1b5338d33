"""A page as one self-contained HTML file: no script, no font, nothing loaded from elsewhere."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from civicbench.pages.characters import visible
from civicbench.pages.curve import draw_curve
from civicbench.pages.document import Curve, Document, Picture
from civicbench.pages.stylesheet import read_stylesheet

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_page(document: Document) -> str:
    """Return a document as an HTML page in GOV.UK Frontend's components.

    Every text is escaped; hidden and direction-changing characters are shown as code points.

    Args:
        document: What the page says.

    Raises:
        PartAbsentError: The stylesheet was not built; see `check_assets`.
    """
    stylesheet = read_stylesheet()
    template = _environment().get_template("page.html")
    # The stylesheet is our own build; no text of a model or dataset is ever marked as markup.
    return template.render(document=document, stylesheet=Markup(stylesheet))  # noqa: S704


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_show,
    )
    environment.globals["draw_curve"] = _draw
    environment.globals["drawn"] = _drawn
    return environment


def _show(value: object) -> object:
    return value if isinstance(value, Markup) else visible(str(value))


def _draw(curve: Curve) -> Markup:
    return Markup(draw_curve(curve))  # noqa: S704 (drawn from numbers; texts escaped by ElementTree)


def _drawn(picture: Picture) -> Markup:
    return Markup(picture.svg)  # noqa: S704 (our own picture; texts escaped by ElementTree)
