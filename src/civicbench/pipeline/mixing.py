"""The rows that a recipe trains on: its own dataset's, and those drawn from others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.building import read_record
from civicbench.datasets.canaries import canary_rows
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import Row, read_split
from civicbench.models.rendering import Message
from civicbench.recipes.loading import Recipe
from civicbench.recipes.settings import MixedDataset
from civicbench.registry.evidence import MixedData
from civicbench.training.inputs import MixedSnapshot, training_data_digest


@dataclass(frozen=True)
class MixedRows:
    """Rows that were drawn from a dataset.

    Attributes:
        settings: What the recipe asks for.
        record: What the dataset's snapshot says of itself.
        rows: The rows, each named with its dataset.
        available: How many rows there were to draw from.
    """

    settings: MixedDataset
    record: SnapshotRecord
    rows: tuple[Row, ...]
    available: int

    @property
    def fact(self) -> MixedData:
        """What evidence says of them."""
        return MixedData(dataset=self.record, share=self.settings.share, rows=len(self.rows))


@dataclass(frozen=True)
class TrainingData:
    """All rows that a recipe trains on.

    Attributes:
        own: The train rows of its own dataset.
        mixed: The rows of each dataset that is mixed in.
        canaries: Made-up secrets that are planted, each as often as the recipe says.
        digest: The name of all of them.
    """

    own: tuple[Row, ...]
    mixed: tuple[MixedRows, ...]
    canaries: tuple[Row, ...]
    digest: str

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, the recipe's own first; training deals them in an order of its own."""
        mixed = (row for one in self.mixed for row in one.rows)
        return (*self.own, *mixed, *self.canaries)


def read_training_data(recipe: Recipe, *, snapshot: Path, mixed: Sequence[Path]) -> TrainingData:
    """Return the rows that a recipe trains on.

    Args:
        recipe: The recipe.
        snapshot: The snapshot of its own dataset.
        mixed: The snapshots of the datasets that it mixes in, in the recipe's order.

    Raises:
        InvalidInputError: A dataset has too few rows for its share, or a share is not one row.
    """
    own = read_split(snapshot, "train")
    counts = mixed_counts(len(own), recipe.settings.mixing)
    drawn = []
    problems = []
    for place, (settings, folder) in enumerate(zip(recipe.settings.mixing, mixed, strict=True)):
        rows = read_split(folder, "train")
        asked = counts[place]
        where = f"mixing.{place}: share {settings.share:g} of {settings.dataset}"
        if asked == 0:
            problems.append(f"{where} is not one row beside {len(own)}; raise it, or leave it out")
        elif asked > len(rows):
            problems.append(
                f"{where} is {asked} rows beside {len(own)} of {recipe.settings.dataset}, and its "
                f"train split has {len(rows)}; lower the share"
            )
        chosen = draw_rows(rows, asked, seed=recipe.training.seed, dataset=settings.dataset)
        drawn.append(MixedRows(settings, read_record(folder), chosen, len(rows)))
    if problems:
        raise InvalidInputError(
            "\n".join(["shares that cannot be drawn", *(f"  - {p}" for p in problems)]),
            where=f"recipe {recipe.settings.name}",
        )
    planted = recipe.settings.canaries
    return TrainingData(
        own=tuple(own),
        mixed=tuple(drawn),
        canaries=() if planted is None else canary_rows(planted),
        digest=training_data_digest(
            read_record(snapshot).digest,
            mixed=[
                MixedSnapshot(one.settings.dataset, one.record.digest, len(one.rows))
                for one in drawn
            ],
            canaries=None if planted is None else planted.digest,
        ),
    )


def mixed_counts(own_rows: int, mixing: Sequence[MixedDataset]) -> tuple[int, ...]:
    """Return how many rows of each dataset give it its share in all rows after mixing.

    Args:
        own_rows: Training rows of the recipe's own dataset.
        mixing: The datasets with their shares.
    """
    whole = own_rows / (1 - sum(mixed.share for mixed in mixing))
    return tuple(round(mixed.share * whole) for mixed in mixing)


def draw_rows(rows: Iterable[Row], count: int, *, seed: int, dataset: str) -> tuple[Row, ...]:
    """Return some different rows of a dataset, named with it, in the order that they stand in.

    Every row's lot is a digest of the seed and its name, and the lowest are drawn: the same seed
    draws the same rows on every machine, and a larger share keeps those of a smaller one.

    Args:
        rows: The rows.
        count: How many; all where there are fewer.
        seed: The training seed.
        dataset: The dataset's name.
    """
    listed = list(rows)

    def lot(place: int) -> bytes:
        return sha256(f"{seed}:{dataset}:{listed[place].id}".encode()).digest()

    places = sorted(sorted(range(len(listed)), key=lot)[:count])
    return tuple(
        listed[place].model_copy(update={"id": f"{dataset}/{listed[place].id}"}) for place in places
    )


def conversations_of(row: Row) -> tuple[tuple[Message, ...], ...]:
    """Return a row's conversations as training reads them: the chosen, and any rejected one."""
    if row.rejected is None:
        return (row.messages,)
    rejected = Message(role="assistant", content=row.rejected)
    return row.messages, (*row.messages[:-1], rejected)
