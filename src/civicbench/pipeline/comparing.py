"""Registered versions side by side, and their cards written again."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.records import ITEMS_NAME, PROMPTS_NAME, parse_items, parse_prompts
from civicbench.evaluation.results import Comparison, Place
from civicbench.evaluation.statistics.families import adjust_family
from civicbench.pipeline.reporting import unique_labels
from civicbench.registry.evidence import Evidence, SuiteFact
from civicbench.registry.registry import Registry
from civicbench.reports.report import Report, ScoredModel, ScoredSuite, SuiteText

if TYPE_CHECKING:
    from civicbench.cards.card import CardPaths

_Role = Literal["base", "tuned"]


@dataclass(frozen=True)
class _Version:
    """A registered version as it is read for a comparison."""

    reference: str
    digest: str
    evidence: Evidence
    files: Mapping[str, Path]


def compare_versions(references: Sequence[str], *, workspace: Workspace) -> Report:
    """Compare registered versions, each with the first, by the answers that they were stored with.

    One version alone is compared with its own base. Nothing is scored anew. Only suites that both
    were asked in the same items are compared, all of them as one family. A margin counts where
    both versions' gates declared one for the same measure, and then the smaller of the two.

    Args:
        references: The versions: MODEL, MODEL:NUMBER or the beginning of a digest.
        workspace: Where the registry is.

    Raises:
        InvalidInputError: An unknown version, or one that shares no suite with the first.
    """
    with Registry.open(workspace) as registry:
        versions = [_read(registry, reference) for reference in references]
    first, numbered = versions[0], [version.reference for version in versions]
    if len(versions) == 1:
        labels = [f"{first.evidence.base.name} (its base)", first.reference]
        models = [_scored(first, labels[0], role="base"), _scored(first, labels[1], role="tuned")]
        margins = [_margins(first)]
    else:
        labels = unique_labels(numbered)
        models = [
            _scored(version, label, role="tuned")
            for version, label in zip(versions, labels, strict=True)
        ]
        margins = [_shared_margins(first, other) for other in versions[1:]]
    comparisons = {
        model.label: adjust_family(_compare(models[0], model), margins=own)
        for model, own in zip(models[1:], margins, strict=True)
    }
    used = {c.suite for found in comparisons.values() for c in found}
    return Report(
        title=f"{', '.join(labels[1:])} compared with {labels[0]}",
        caption="Civicbench evaluation report",
        # MODEL alone means another version once there is a newer one.
        command=shlex.join(["civicbench", "compare", *numbered, "--to", "report"]),
        suites=tuple(_text(suite) for suite in first.evidence.suites if suite.name in used),
        models=tuple(_only(model, used, like=models[0]) for model in models),
        comparisons=comparisons,
    )


def write_version_card(reference: str, *, folder: Path | None, workspace: Workspace) -> "CardPaths":
    """Write a registered version's card from its stored evidence.

    Args:
        reference: The version.
        folder: Where to; None for the workspace's own place.
        workspace: Where the registry is.
    """
    from civicbench.cards.card import write_registered_card

    with Registry.open(workspace) as registry:
        digest = registry.show(reference).digest
        place = folder or workspace.cards / digest[:20]
        return write_registered_card(registry, digest, folder=place)


def _read(registry: Registry, reference: str) -> _Version:
    found = registry.show(reference)
    return _Version(
        reference=found.reference,
        digest=found.digest,
        evidence=registry.load_evidence(reference),
        files=registry.artefact_paths(reference),
    )


def _scored(version: _Version, label: str, *, role: _Role) -> ScoredModel:
    base = version.evidence.base.weights_digest
    return ScoredModel(
        label=label,
        digest=base if role == "base" else version.digest,
        suites={suite.name: _suite(version, suite, role) for suite in version.evidence.suites},
    )


def _suite(version: _Version, suite: SuiteFact, role: _Role) -> ScoredSuite:
    folder = f"scores/{suite.name}/{role}"
    prompts = version.files.get(f"{folder}/{PROMPTS_NAME}")
    return ScoredSuite(
        result=suite.base if role == "base" else suite.tuned,
        items=parse_items(version.files[f"{folder}/{ITEMS_NAME}"]),
        # Times differ from run to run, so a version does not keep them.
        measurements=None,
        # Versions of before prompts were kept have none; the report says so.
        prompts=() if prompts is None else parse_prompts(prompts),
    )


def _compare(first: ScoredModel, other: ScoredModel) -> list[Comparison]:
    found: list[Comparison] = []
    for name in _shared(first, other):
        one, two = first.suites[name], other.suites[name]
        found += compare_results(one.result, one.items, two.result, two.items)
    if not found:
        raise InvalidInputError(
            "the two versions share no suite with the same items",
            where=f"{first.label} and {other.label}",
            got=f"{', '.join(first.suites)} and {', '.join(other.suites)}",
        )
    return found


def _shared(first: ScoredModel, other: ScoredModel) -> list[str]:
    return [
        name
        for name, suite in first.suites.items()
        if name in other.suites
        and other.suites[name].result.items_digest == suite.result.items_digest
    ]


def _only(model: ScoredModel, used: set[str], *, like: ScoredModel) -> ScoredModel:
    """Return a model with what it was asked in the same items as the first, and is shown."""
    names = [name for name in _shared(like, model) if name in used]
    return ScoredModel(model.label, model.digest, {name: model.suites[name] for name in names})


def _margins(version: _Version) -> dict[Place, float]:
    return {
        (c.suite, c.task, c.metric): c.margin
        for c in version.evidence.comparisons
        if c.margin is not None
    }


def _shared_margins(first: _Version, other: _Version) -> dict[Place, float]:
    one, two = _margins(first), _margins(other)
    return {place: min(one[place], two[place]) for place in one.keys() & two.keys()}


def _text(suite: SuiteFact) -> SuiteText:
    return SuiteText(suite.name, suite.title, suite.measures, suite.does_not_measure)
