"""What a dataset must be kept apart from: the items of suites, as plain texts."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from civicbench.datasets.building import Dataset
from civicbench.datasets.rows import SplitName, iterate_split
from civicbench.datasets.steps.step import Reference
from civicbench.evaluation.items import Item, read_file_items
from civicbench.evaluation.settings import FileItems
from civicbench.evaluation.suites import Suite, load_suite
from civicbench.recipes.loading import Recipe

_HELD_OUT: tuple[SplitName, ...] = ("validation", "test")
# Shorter fields of an item are labels and names, which training rows may well share.
_SHORTEST_FIELD_WORDS = 8


def recipe_references(recipe: Recipe) -> tuple[Reference, ...]:
    """Return the items of a recipe's suites, and of those that its dataset names.

    Raises:
        InvalidInputError: A suite has mistakes.
    """
    return _references(recipe.dataset, recipe.suites)


def mixed_references(dataset: Dataset, recipe: Recipe, *, snapshot: Path) -> tuple[Reference, ...]:
    """Return what a dataset must be kept apart from whose rows a recipe mixes in.

    These are the items of the recipe's suites and of those that the dataset names, and what the
    held-out rows of the recipe's own dataset ask: its groups do not reach into another dataset.

    Args:
        dataset: The dataset that is mixed in.
        recipe: The recipe.
        snapshot: The snapshot of the recipe's own dataset.

    Raises:
        InvalidInputError: A suite has mistakes.
    """
    asked = (
        Reference(
            suite=f"{recipe.dataset.settings.name} ({split} split)",
            item=row.id,
            text=row.messages[-2].content,
        )
        for split in _HELD_OUT
        for row in iterate_split(snapshot, split)
    )
    return tuple(dict.fromkeys((*_references(dataset, recipe.suites), *asked)))


def dataset_references(dataset: Dataset) -> tuple[Reference, ...]:
    """Return the items of the suites that a dataset names itself.

    Raises:
        InvalidInputError: No such suite, or one with mistakes.
    """
    return _references(dataset, ())


def _references(dataset: Dataset, suites: Iterable[Suite]) -> tuple[Reference, ...]:
    """Return each item once; none where the dataset declares no decontamination.

    Items that are a split of a dataset are left out: they are kept from training by group.
    """
    if dataset.suites is None:
        return ()
    named = [load_suite(name) for name in dataset.suites]
    wanted = {suite.settings.name: suite for suite in (*named, *suites)}
    return tuple(
        dict.fromkeys(
            reference
            for _, suite in sorted(wanted.items())
            if isinstance(suite.settings.items, FileItems)
            for item in read_file_items(suite.folder / suite.settings.items.file, system=None)
            for reference in _texts(suite.settings.name, item)
        )
    )


def _texts(suite: str, item: Item) -> Iterator[Reference]:
    for message in item.messages:
        yield Reference(suite=suite, item=item.id, text=message.content)
    for value in item.fields.values():
        if isinstance(value, str) and len(value.split()) >= _SHORTEST_FIELD_WORDS:
            yield Reference(suite=suite, item=item.id, text=value)
