"""The card's files: Markdown and HTML, side by side."""

from dataclasses import dataclass
from pathlib import Path

from civicbench.cards.html import render_html
from civicbench.cards.markdown import render_markdown
from civicbench.core.files import write_text_whole
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.registry import Registry
from civicbench.registry.situation import Situation, load_situation

MARKDOWN_NAME = "card.md"
HTML_NAME = "card.html"


@dataclass(frozen=True)
class CardPaths:
    """Where a card's files stand.

    Attributes:
        markdown: The Markdown file, with Hugging Face front matter.
        html: The self-contained HTML file.
    """

    markdown: Path
    html: Path


def write_card(
    folder: Path,
    *,
    evidence: Evidence,
    measurements: Measurements,
    state: str,
    number: int,
    situation: Situation | None = None,
) -> CardPaths:
    """Write a version's card; either file is written whole or not at all.

    Args:
        folder: Where to; made where absent.
        evidence: What is known of the version.
        measurements: What was measured on the way.
        state: Where the version stands in its life, such as "evaluated".
        number: The version's number under the model's name in the registry.
        situation: What the registry knows around it; see `compose_card`.

    Raises:
        PartAbsentError: The stylesheet was not built; nothing is written then.
        DiskFullError: No space left.
    """
    html = render_html(evidence, measurements, state=state, number=number, situation=situation)
    markdown = render_markdown(
        evidence, measurements, state=state, number=number, situation=situation
    )
    paths = CardPaths(markdown=folder / MARKDOWN_NAME, html=folder / HTML_NAME)
    write_text_whole(paths.markdown, markdown)
    write_text_whole(paths.html, html)
    return paths


def write_registered_card(registry: Registry, reference: str, *, folder: Path) -> CardPaths:
    """Write a registered version's card from its stored evidence and what stands around it.

    Raises:
        InvalidInputError: The reference names no version, or several.
        IntegrityError: The version's evidence is missing or was changed.
        PartAbsentError: The stylesheet was not built; nothing is written then.
        DiskFullError: No space left.
    """
    situation = load_situation(registry, reference)
    version = situation.version
    return write_card(
        folder,
        evidence=registry.load_evidence(version.digest),
        measurements=registry.load_measurements(version.digest),
        state=version.state,
        number=version.number,
        situation=situation,
    )
