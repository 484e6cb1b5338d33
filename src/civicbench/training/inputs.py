"""What a training run reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training.examples import Example


@dataclass(frozen=True)
class TrainingInputs:
    """What a run reads.

    Attributes:
        prepared: The base model.
        renderer: Its renderer.
        train: Training examples.
        held_out: Examples for the held-out loss; may be empty.
        snapshot_digest: Digest of the dataset snapshot.
        spread: Whether the base's layers are spread over several GPUs.
    """

    prepared: PreparedModel
    renderer: ChatRenderer
    train: Sequence[Example]
    held_out: Sequence[Example]
    snapshot_digest: str
    spread: bool = False
