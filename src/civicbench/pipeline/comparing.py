"""Registered versions side by side, and their cards written again."""

from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.records import parse_items
from civicbench.evaluation.results import Comparison
from civicbench.registry.registry import Registry

if TYPE_CHECKING:
    from civicbench.cards.card import CardPaths


def compare_versions(first: str, second: str, *, workspace: Workspace) -> tuple[Comparison, ...]:
    """Compare two registered versions on the suites that both were asked in the same words.

    Args:
        first: A version's reference.
        second: Another's; differences are second minus first.
        workspace: Where the registry is.

    Raises:
        InvalidInputError: The two share no suite with the same items.
    """
    with Registry.open(workspace) as registry:
        one, other = registry.load_evidence(first), registry.load_evidence(second)
        first_files = registry.artefact_paths(first)
        second_files = registry.artefact_paths(second)
    found: list[Comparison] = []
    for suite in one.suites:
        match = next(
            (
                s for s in other.suites
                if s.name == suite.name and s.tuned.items_digest == suite.tuned.items_digest
            ),
            None,
        )  # fmt: skip
        if match is None:
            continue
        path = f"scores/{suite.name}/tuned/items.jsonl"
        found += compare_results(
            suite.tuned,
            parse_items(first_files[path]),
            match.tuned,
            parse_items(second_files[path]),
        )
    if not found:
        raise InvalidInputError(
            "the two versions share no suite with the same items",
            where=f"{first} and {second}",
            got=f"{', '.join(s.name for s in one.suites)} and "
            f"{', '.join(s.name for s in other.suites)}",
        )
    return tuple(found)


def write_version_card(reference: str, *, folder: Path | None, workspace: Workspace) -> "CardPaths":
    """Write a registered version's card from its stored evidence.

    Args:
        reference: The version.
        folder: Where to; None for the workspace's own place.
        workspace: Where the registry is.
    """
    from civicbench.cards.card import write_card

    with Registry.open(workspace) as registry:
        version = registry.show(reference)
        evidence = registry.load_evidence(reference)
        measurements = registry.load_measurements(reference)
    return write_card(
        folder or workspace.cards / evidence.digest[:20],
        evidence=evidence,
        measurements=measurements,
        state=version.state,
        number=version.number,
    )
