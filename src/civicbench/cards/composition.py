"""The model card: its parts in reading order."""

from dataclasses import replace

from civicbench.cards.changes import describe_changes, describe_slices
from civicbench.cards.decision import describe_decision, describe_gate, describe_uses
from civicbench.cards.first_page import (
    describe_command,
    describe_data_in_short,
    describe_signatures,
    describe_worst,
)
from civicbench.cards.making import (
    describe_measurements,
    describe_packages,
    describe_reproduction,
    describe_training,
)
from civicbench.cards.results import describe_results, describe_safety
from civicbench.cards.sources import describe_base, describe_data
from civicbench.pages.document import Document
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.situation import Situation


def compose_card(
    evidence: Evidence,
    measurements: Measurements,
    *,
    state: str,
    number: int,
    situation: Situation | None = None,
) -> Document:
    """Return a version's model card as blocks, for any rendering.

    Args:
        evidence: What is known of the version.
        measurements: What was measured on the way.
        state: Where the version stands in its life, such as "evaluated".
        number: The version's number under the model's name in the registry.
        situation: What the registry knows around the version; None for a card of the evidence
            alone, which then says nothing of decisions.
    """
    signatures = (describe_signatures(evidence, situation),) if situation is not None else ()
    return Document(
        title=f"Model card: {evidence.model_name}",
        caption=f"Version {number}",
        display=evidence.base.licence.display,
        sections=(
            describe_decision(evidence, state=state, number=number, situation=situation),
            describe_uses(evidence),
            describe_gate(evidence),
            describe_safety(evidence),
            describe_worst(evidence),
            describe_data_in_short(evidence),
            describe_base(evidence),
            *signatures,
            describe_command(evidence),
            replace(describe_results(evidence), part="The evidence in full"),
            describe_changes(evidence),
            describe_slices(evidence),
            describe_data(evidence),
            describe_training(evidence),
            describe_measurements(measurements, trained_here=evidence.trained_elsewhere is None),
            describe_reproduction(evidence),
            describe_packages(evidence),
        ),
    )
