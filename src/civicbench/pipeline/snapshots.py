"""A recipe's snapshots: built where they do not stand, or refused where that needs fetching."""

from pathlib import Path

from civicbench.core.errors import PartAbsentError
from civicbench.core.fetching import find_file
from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import Dataset, build_snapshot
from civicbench.datasets.sources import pinned_files
from civicbench.pipeline.decontaminating import mixed_references, recipe_references
from civicbench.recipes.loading import Recipe


def recipe_snapshot(recipe: Recipe, *, workspace: Workspace, reporter: Reporter) -> StageOutput:
    """Return the snapshot that a recipe trains on, kept apart from the recipe's suites.

    Raises:
        CivicbenchError: A source is absent, or sources, rows or suites have mistakes.
    """
    return build_snapshot(
        recipe.dataset,
        references=recipe_references(recipe),
        workspace=workspace,
        reporter=reporter,
    )


def mixed_snapshots(
    recipe: Recipe, *, snapshot: Path, workspace: Workspace, reporter: Reporter
) -> tuple[StageOutput, ...]:
    """Return the snapshots that a recipe mixes in, kept apart from its suites and held-out rows.

    Args:
        recipe: The recipe.
        snapshot: The snapshot of its own dataset.
        workspace: Where work is kept.
        reporter: Told what is going on.

    Raises:
        CivicbenchError: A source is absent, or sources, rows or suites have mistakes.
    """
    return tuple(
        build_snapshot(
            dataset,
            references=mixed_references(dataset, recipe, snapshot=snapshot),
            workspace=workspace,
            reporter=reporter,
        )
        for dataset in recipe.mixed
    )


def refuse_absent_sources(dataset: Dataset, *, workspace: Workspace) -> None:
    """Refuse where a source would have to be fetched: a plan fetches nothing.

    Raises:
        PartAbsentError: Pinned files are not on this machine; the first is named.
        IntegrityError: One stands here with other bytes.
    """
    absent = [
        pinned.url
        for source in dataset.settings.sources
        for pinned in pinned_files(source)
        if find_file(pinned, workspace=workspace) is None
    ]
    if absent:
        raise PartAbsentError(
            f"{len(absent)} source files are not on this machine, and a plan fetches nothing",
            where=f"dataset {dataset.settings.name}",
            got=absent[0],
            remedy=f"civicbench datasets build {dataset.settings.name}",
        )
