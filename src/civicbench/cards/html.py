"""The card as one self-contained HTML file: no script, no font, nothing loaded from elsewhere."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from civicbench.cards.composition import compose_card
from civicbench.cards.curve import draw_curve
from civicbench.cards.document import Curve, Document
from civicbench.cards.stylesheet import read_stylesheet
from civicbench.cards.wording import visible
from civicbench.registry.evidence import Evidence, Measurements

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_html(evidence: Evidence, measurements: Measurements, *, state: str, number: int) -> str:
    """Return a version's card as an HTML page in GOV.UK Frontend's components.

    Args:
        evidence: What is known of the version.
        measurements: What was measured on the way.
        state: Where the version stands in its life, such as "evaluated".
        number: The version's number under the model's name in the registry.

    Raises:
        PartAbsentError: The stylesheet was not built; see `check_assets`.
    """
    return render_page(compose_card(evidence, measurements, state=state, number=number))


def render_page(document: Document) -> str:
    """Return a document as an HTML page in GOV.UK Frontend's components.

    Raises:
        PartAbsentError: The stylesheet was not built; see `check_assets`.
    """
    stylesheet = read_stylesheet()
    template = _environment().get_template("card.html")
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
    return environment


def _show(value: object) -> object:
    return value if isinstance(value, Markup) else visible(str(value))


def _draw(curve: Curve) -> Markup:
    return Markup(draw_curve(curve))  # noqa: S704 (drawn from numbers; texts escaped by ElementTree)
