"""What a training run reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.core.digests import digest_json
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training.examples import TrainingRows


@dataclass(frozen=True)
class MixedSnapshot:
    """A dataset whose rows are mixed into the training rows.

    Attributes:
        dataset: Its name.
        snapshot_digest: Digest of its snapshot.
        rows: How many of its rows are drawn; which ones follows from the training seed.
    """

    dataset: str
    snapshot_digest: str
    rows: int


def training_data_digest(
    snapshot_digest: str, *, mixed: Sequence[MixedSnapshot] = (), canaries: str | None = None
) -> str:
    """Return the name of all rows that a run trains on.

    Without mixing and canaries it is the snapshot's own digest. Which rows are drawn follows from
    the seed, which stands among the training settings.

    Args:
        snapshot_digest: Digest of the recipe's own dataset.
        mixed: The datasets that are mixed in, in the recipe's order.
        canaries: Digest of the canaries that are planted; None where none are.
    """
    if not mixed and canaries is None:
        return snapshot_digest
    facts = [[one.dataset, one.snapshot_digest, one.rows] for one in mixed]
    planted = {} if canaries is None else {"canaries": canaries}
    return digest_json({"snapshot": snapshot_digest, "mixed": facts} | planted)


@dataclass(frozen=True)
class TrainingInputs:
    """What a run reads.

    Attributes:
        prepared: The base model.
        renderer: Its renderer.
        train: Training examples, or pairs where the objective is dpo.
        held_out: The same for the held-out loss; may be empty.
        snapshot_digest: Digest of everything trained on; see `training_data_digest`.
        spread: Whether the base's layers are spread over several GPUs.
    """

    prepared: PreparedModel
    renderer: ChatRenderer
    train: TrainingRows
    held_out: TrainingRows
    snapshot_digest: str
    spread: bool = False
