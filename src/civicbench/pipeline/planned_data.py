"""The data of a planned run: snapshots found or written for the plan alone, rows by dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.core.progress import Reporter
from civicbench.core.stages import find_finished
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import Dataset, snapshot_stage, write_snapshot
from civicbench.datasets.record import SnapshotRecord, SourceFact
from civicbench.datasets.steps.step import Reference
from civicbench.pipeline.decontaminating import mixed_references, recipe_references
from civicbench.pipeline.mixing import TrainingData
from civicbench.pipeline.snapshots import refuse_absent_sources
from civicbench.recipes.loading import Recipe


class PlannedData(BaseModel):
    """What training reads of one dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dataset: str
    """The dataset."""
    rows: int
    """Its rows among the training rows."""
    available: int
    """Rows of its train split."""
    share: float
    """Share of its rows in all training rows."""
    licence: str
    """Licence of the whole dataset."""


@dataclass(frozen=True)
class PlannedSnapshots:
    """Where a recipe's snapshots stand while it is planned.

    Attributes:
        own: The snapshot of the recipe's own dataset.
        mixed: Those of the datasets that it mixes in.
        done: Each dataset's name, and whether its snapshot stands done in the workspace.
    """

    own: Path
    mixed: tuple[Path, ...]
    done: tuple[tuple[str, bool], ...]


def find_or_write_snapshots(
    recipe: Recipe, *, folder: Path, workspace: Workspace
) -> PlannedSnapshots:
    """Return a recipe's snapshots; those that do not stand done are written into a folder.

    Args:
        recipe: The recipe.
        folder: Where to; nothing is kept in the workspace.
        workspace: Where finished snapshots are looked for.

    Raises:
        PartAbsentError: A source is not on this machine.
        InvalidInputError: Rows or suites with mistakes.
    """
    own, own_done = _find_or_write(
        recipe.dataset,
        references=recipe_references(recipe),
        folder=folder / "own",
        workspace=workspace,
    )
    done = [(recipe.dataset.settings.name, own_done)]
    mixed = []
    for dataset in recipe.mixed:
        name = dataset.settings.name
        path, stands = _find_or_write(
            dataset,
            references=mixed_references(dataset, recipe, snapshot=own),
            folder=folder / f"mixed-{name}",
            workspace=workspace,
        )
        mixed.append(path)
        done.append((name, stands))
    return PlannedSnapshots(own, tuple(mixed), tuple(done))


def plan_data(record: SnapshotRecord, data: TrainingData) -> tuple[PlannedData, ...]:
    """Return what training reads of each dataset, the recipe's own first."""
    parts = [(record, len(data.own), len(data.own))]
    parts += [(mixed.record, len(mixed.rows), mixed.available) for mixed in data.mixed]
    planted = [
        PlannedData(
            dataset="canaries: synthetic, never to be released",
            rows=len(data.canaries),
            available=len(data.canaries),
            share=len(data.canaries) / len(data.rows),
            licence="CC0-1.0",
        )
    ]
    found = tuple(
        PlannedData(
            dataset=part.name,
            rows=rows,
            available=available,
            share=rows / len(data.rows),
            licence=part.licence,
        )
        for part, rows, available in parts
    )
    return (*found, *planted) if data.canaries else found


def mixed_sources(data: TrainingData) -> tuple[SourceFact, ...]:
    """Return the sources of the datasets that are mixed in, each named with its dataset."""
    return tuple(
        source.model_copy(update={"name": f"{mixed.record.name}/{source.name}"})
        for mixed in data.mixed
        for source in mixed.record.sources
    )


def _find_or_write(
    dataset: Dataset, *, references: Sequence[Reference], folder: Path, workspace: Workspace
) -> tuple[Path, bool]:
    found = find_finished(snapshot_stage(dataset, workspace=workspace, references=references))
    if found is not None:
        return found.folder, True
    refuse_absent_sources(dataset, workspace=workspace)
    write_snapshot(dataset, folder, workspace=workspace, reporter=Reporter(), references=references)
    return folder, False
