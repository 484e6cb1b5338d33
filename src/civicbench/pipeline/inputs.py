"""What a recipe's stages read, made ready and checked before any of the long work."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.cards.stylesheet import check_assets
from civicbench.core.errors import PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import read_record
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import SplitName, read_split
from civicbench.evaluation.items import Item, questions_of, read_file_items
from civicbench.evaluation.settings import FileItems
from civicbench.evaluation.suites import Suite
from civicbench.models.loading import require_package
from civicbench.models.prepare import PreparedModel, prepare_model
from civicbench.models.rendering import ChatRenderer, load_renderer
from civicbench.pipeline.snapshots import recipe_snapshot
from civicbench.recipes.loading import Recipe
from civicbench.training.examples import Example, render_examples
from civicbench.training.tracking import check_tracker

_GIGABYTE = 1e9
_NAMED_SHARE = 0.95


@dataclass(frozen=True)
class RunInputs:
    """A recipe's inputs, checked.

    Attributes:
        recipe: The recipe.
        prepared: The base model.
        renderer: Its renderer.
        snapshot: The dataset snapshot's stage.
        snapshot_record: What the snapshot says of itself.
        train: Training examples.
        held_out: Examples for the held-out loss.
        items: Each suite's items.
    """

    recipe: Recipe
    prepared: PreparedModel
    renderer: ChatRenderer
    snapshot: StageOutput
    snapshot_record: SnapshotRecord
    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    items: dict[str, tuple[Item, ...]]


def prepare_inputs(recipe: Recipe, *, workspace: Workspace, reporter: Reporter) -> RunInputs:
    """Make a recipe's model and data ready, and refuse what would fail later.

    Args:
        recipe: The recipe.
        workspace: Where work is kept.
        reporter: Told what is going on.

    Raises:
        CivicbenchError: A part is absent, or data, suites or settings have mistakes.
    """
    check_parts(recipe)
    snapshot = recipe_snapshot(recipe, workspace=workspace, reporter=reporter)
    items = {
        suite.settings.name: tuple(suite_items(suite, snapshot=snapshot.folder))
        for suite in recipe.suites
    }
    for suite in recipe.suites:
        for task in suite.settings.tasks:
            questions_of(task, items[suite.settings.name], suite=suite.settings)
    prepared = prepare_model(recipe.model, workspace=workspace, reporter=reporter)
    renderer = load_renderer(prepared)

    def examples(split: SplitName) -> tuple[Example, ...]:
        rows = read_split(snapshot.folder, split)
        if not rows and split != "train":
            return ()
        return tuple(
            render_examples(
                [(row.id, row.messages) for row in rows],
                renderer=renderer,
                max_length_tokens=recipe.training.max_length_tokens,
                context_length_tokens=prepared.record.context_length_tokens,
            )
        )

    return RunInputs(
        recipe=recipe,
        prepared=prepared,
        renderer=renderer,
        snapshot=snapshot,
        snapshot_record=read_record(snapshot.folder),
        train=examples("train"),
        held_out=examples("validation"),
        items=items,
    )


def check_parts(recipe: Recipe) -> None:
    """Refuse before work starts where a package, device or built file is absent.

    Raises:
        PartAbsentError: With what to do about it.
    """
    check_assets()
    for tracker in recipe.trackers:
        check_tracker(tracker)
    if recipe.training.method == "qlora":
        require_package("bitsandbytes", extra="qlora")
    wanted = recipe.settings.hardware
    if wanted is not None:
        import torch

        here = [
            torch.cuda.get_device_properties(place).total_memory / _GIGABYTE
            for place in range(torch.cuda.device_count())
        ]
        # Makers count a little less than they name: an "80 GB" card shows 79 to 85.
        fitting = [memory for memory in here if memory >= wanted.memory_gb * _NAMED_SHARE]
        if len(fitting) < wanted.devices:
            raise PartAbsentError(
                f"the recipe needs GPUs with {wanted.memory_gb:g} GB each: {wanted.devices}",
                where=f"recipe {recipe.settings.name}: hardware",
                got=", ".join(f"{memory:.0f} GB" for memory in here) or "no GPU here",
                remedy="run it where they are, or see `civicbench plan` for what it would need",
            )


def suite_items(suite: Suite, *, snapshot: Path) -> Sequence[Item]:
    """Return a suite's items, from its own file or from a split of the snapshot.

    Raises:
        InvalidInputError: Items with mistakes.
    """
    settings = suite.settings
    if isinstance(settings.items, FileItems):
        return read_file_items(suite.folder / settings.items.file, system=settings.system)
    return [
        Item(id=row.id, messages=row.messages[:-1], fields=dict(row.fields))
        for row in read_split(snapshot, settings.items.split)
    ]
