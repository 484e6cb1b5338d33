"""What is known of a model that was trained elsewhere, and what is not."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.core.digests import digest_text
from civicbench.datasets.record import SnapshotRecord
from civicbench.models.record import ModelRecord
from civicbench.training.record import TrainingMeasurements, TrainingRecord


class TrainedElsewhere(BaseModel):
    """Provenance of imported weights: what was said of them, and what was found."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    origin: str
    """Who trained it, from what and where it came from, as the person who imported it says."""
    kind: Literal["adapter", "full"]
    """An adapter on the base, or a whole model."""
    said: dict[str, str]
    """What its own files say of it: nobody here has checked that."""
    files: dict[str, str]
    """sha256 of each file as it came."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the import."""


UNKNOWN_DATA = "not-known"
"""The name that stands for training data of which nothing is known here."""


def unknown_data() -> SnapshotRecord:
    """Return the record of training data that nobody here has seen."""
    return SnapshotRecord(
        name=UNKNOWN_DATA,
        title="Not known here",
        description="The model was trained elsewhere: its training data was not seen here.",
        licence="NOASSERTION",
        languages=(),
        personal_data="Not known: nobody here has looked at the training data.",
        limits=("Nothing is known of it: not its sources, not its licences, not what is in it.",),
        sources=(),
        steps=(),
        splits=(),
        digest=digest_text(UNKNOWN_DATA),
    )


def unknown_training(
    base: ModelRecord, *, method: str, adapter_digest: str, parameters: int, code_version: str
) -> TrainingRecord:
    """Return the record of a training run that nobody here has seen.

    Args:
        base: The base model that the weights were found to fit.
        method: "lora" or "full".
        adapter_digest: Digest of the weights' files as they are kept.
        parameters: Weights that came.
        code_version: Version of Civicbench that imported them.
    """
    return TrainingRecord(
        method=method,
        settings={},
        seed=0,
        rows=0,
        epochs=0.0,
        steps=0,
        prompt_tokens=0,
        trained_tokens=0,
        trainable_parameters=parameters,
        curve=(),
        held_out_curve=(),
        adapter_digest=adapter_digest,
        base_weights_digest=base.weights_digest,
        snapshot_digest=unknown_data().digest,
        template_digest=base.template_digest,
        packages={},
        code_version=code_version,
    )


def unknown_measurements() -> TrainingMeasurements:
    """Return the measurements of a training run that nobody here has seen."""
    return TrainingMeasurements(
        machine="elsewhere",
        wall_time_s=0.0,
        tokens_per_second=0.0,
        peak_memory_bytes=0,
        resumed_from_step=None,
    )
