"""The card as Markdown, with the front matter that Hugging Face reads."""

from civicbench.cards.composition import compose_card
from civicbench.cards.front_matter import render_front_matter
from civicbench.pages.markdown import render_document
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.situation import Situation


def render_markdown(
    evidence: Evidence,
    measurements: Measurements,
    *,
    state: str,
    number: int,
    situation: Situation | None = None,
) -> str:
    """Return a version's card as Markdown with YAML front matter.

    Args:
        evidence: What is known of the version.
        measurements: What was measured on the way.
        state: Where the version stands in its life, such as "evaluated".
        number: The version's number under the model's name in the registry.
        situation: What the registry knows around it; see `compose_card`.
    """
    document = compose_card(evidence, measurements, state=state, number=number, situation=situation)
    return render_front_matter(evidence) + "\n" + render_document(document)
