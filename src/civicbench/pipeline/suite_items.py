"""The items that a suite asks, wherever they stand."""

from collections.abc import Sequence
from pathlib import Path

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.canaries import CanarySettings
from civicbench.datasets.rows import read_split
from civicbench.evaluation.items import Item, read_file_items
from civicbench.evaluation.public.reading import fetch_public_items
from civicbench.evaluation.public.settings import PublicItems
from civicbench.evaluation.public.subsets import draw_subset
from civicbench.evaluation.settings import CanaryItems, FileItems
from civicbench.evaluation.shots import Shot, put_shots_before, read_shots
from civicbench.evaluation.suites import Suite
from civicbench.pipeline.canaries import canary_items


def suite_items(
    suite: Suite,
    *,
    snapshot: Path,
    canaries: CanarySettings | None = None,
    workspace: Workspace,
    reporter: Reporter,
) -> Sequence[Item]:
    """Return a suite's items: its own file's, public files', of a snapshot's split, or canaries.

    Args:
        suite: The suite.
        snapshot: The snapshot of the recipe's own dataset.
        canaries: The recipe's canaries.
        workspace: Where public files are kept.
        reporter: Told what is fetched.

    Raises:
        InvalidInputError: Items with mistakes.
        IntegrityError: A public file's bytes differ from its digest.
        PartAbsentError: A public file is not here and cannot be fetched.
    """
    settings = suite.settings
    shots: list[Shot] = []
    items: Sequence[Item]
    if isinstance(settings.items, CanaryItems):
        if canaries is None:
            raise InvalidInputError("there are no canaries", where=f"suite {settings.name}")
        return canary_items(canaries)
    if isinstance(settings.items, PublicItems):
        items = fetch_public_items(
            settings.items, system=settings.system, workspace=workspace, reporter=reporter
        )
        if settings.shots is not None and settings.shots.file is not None:
            shots = read_shots(suite.folder / settings.shots.file)
    elif isinstance(settings.items, FileItems):
        items = read_file_items(suite.folder / settings.items.file, system=settings.system)
        if settings.shots is not None and settings.shots.file is not None:
            shots = read_shots(suite.folder / settings.shots.file)
    else:
        items = [
            Item(id=row.id, messages=row.messages[:-1], fields=dict(row.fields))
            for row in read_split(snapshot, settings.items.split)
        ]
        if settings.shots is not None:
            # Only what the model may have been trained on: a held-out row would be leaked.
            shots = [
                Shot(row.id, row.messages[-2].content, row.messages[-1].content)
                for row in read_split(snapshot, "train")
            ]
    if settings.subset is not None:
        items = draw_subset(items, settings.subset, where=f"suite {settings.name}")
    if settings.shots is None:
        return items
    where = f"suite {settings.name}: shots"
    return put_shots_before(
        items, shots, count=settings.shots.count, seed=settings.shots.seed, where=where
    )
