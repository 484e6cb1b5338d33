"""The card as one self-contained HTML file."""

from civicbench.cards.composition import compose_card
from civicbench.pages.html import render_page
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.situation import Situation


def render_html(
    evidence: Evidence,
    measurements: Measurements,
    *,
    state: str,
    number: int,
    situation: Situation | None = None,
) -> str:
    """Return a version's card as an HTML page in GOV.UK Frontend's components.

    Args:
        evidence: What is known of the version.
        measurements: What was measured on the way.
        state: Where the version stands in its life, such as "evaluated".
        number: The version's number under the model's name in the registry.
        situation: What the registry knows around it; see `compose_card`.

    Raises:
        PartAbsentError: The stylesheet was not built; see `check_assets`.
    """
    return render_page(
        compose_card(evidence, measurements, state=state, number=number, situation=situation)
    )
