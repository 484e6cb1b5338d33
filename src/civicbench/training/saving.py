"""What a finished training run leaves: the adapter, its provenance, its record."""

from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.digests import digest_files, digest_listing
from civicbench.core.environment import (
    code_version,
    package_versions,
    peak_memory_bytes,
    processor_name,
)
from civicbench.core.files import write_json_whole, write_text_whole
from civicbench.models.loading import PROVENANCE_NAME
from civicbench.training.examples import conversations_in
from civicbench.training.inputs import TrainingInputs
from civicbench.training.record import TrainingMeasurements, TrainingRecord
from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    from civicbench.training.loop import TrainingLoop
    from civicbench.training.state import RunState

RECORD_NAME = "training.json"
MEASUREMENTS_NAME = "measurements.json"
ADAPTER_FOLDER = "adapter"
# They say how a run is kept safe and shared out while it works, and leave its outcome as it is.
NEUTRAL_SETTINGS = frozenset({"checkpoint_every_steps", "checkpoints_kept", "distributed"})


def save_run(
    settings: TrainingSettings,
    inputs: TrainingInputs,
    loop: "TrainingLoop",
    state: "RunState",
    *,
    folder: Path,
) -> None:
    """Write what a finished run made with its provenance, and its record.

    Every process calls this; the first one writes.

    Args:
        settings: The training settings.
        inputs: What the run read.
        loop: The loop with the weights that are to be kept.
        state: Where the run ended.
        folder: Gets `adapter/` and `training.json`.
    """
    from civicbench.training.outcome import Outcome

    outcome = Outcome.of(loop.trained_model, sharing=loop.sharing)
    if loop.ranks.rank > 0:
        return
    adapter = folder / ADAPTER_FOLDER
    record = inputs.prepared.record
    outcome.write(adapter, base_name=record.name)
    provenance = {
        "base": record.name,
        "base_weights_digest": record.weights_digest,
        "tokenizer_digest": record.tokenizer_digest,
        "template_digest": record.template_digest,
        "snapshot_digest": inputs.snapshot_digest,
        "settings": settings.model_dump(mode="json", exclude=set(NEUTRAL_SETTINGS)),
        "packages": package_versions(),
        "code_version": code_version(),
    }
    write_json_whole(adapter / PROVENANCE_NAME, provenance)
    conversations = conversations_in(inputs.train)
    training = TrainingRecord(
        method=settings.method,
        settings=settings.model_dump(mode="json", exclude=set(NEUTRAL_SETTINGS)),
        seed=settings.seed,
        rows=len(inputs.train),
        epochs=settings.epochs,
        steps=state.steps,
        prompt_tokens=sum(len(e.rendered.prompt_ids) for e in conversations),
        trained_tokens=sum(len(e.rendered.completion_ids) for e in conversations),
        trainable_parameters=loop.trained_numbers,
        kept_step=state.best_step if settings.keep == "best" else None,
        stopped_early=state.steps < loop.order.steps,
        curve=state.curve,
        held_out_curve=state.held_out_curve,
        adapter_digest=digest_listing(digest_files(adapter)),
        base_weights_digest=record.weights_digest,
        snapshot_digest=inputs.snapshot_digest,
        template_digest=record.template_digest,
        packages=package_versions(),
        code_version=code_version(),
    )
    write_text_whole(folder / RECORD_NAME, training.model_dump_json(indent=2) + "\n")


def measure_run(
    *, tokens: int, wall_time_s: float, resumed_from_step: int | None, folder: Path
) -> None:
    """Write a run's time and memory.

    Args:
        tokens: Tokens of the rows that were trained on since the start or the resume.
        wall_time_s: How long that took.
        resumed_from_step: The step that it went on from; None for a start from nothing.
        folder: Gets `measurements.json`.
    """
    measurements = TrainingMeasurements(
        machine=processor_name(),
        wall_time_s=round(wall_time_s, 3),
        tokens_per_second=round(tokens / wall_time_s, 1),
        peak_memory_bytes=peak_memory_bytes(),
        resumed_from_step=resumed_from_step,
    )
    write_text_whole(folder / MEASUREMENTS_NAME, measurements.model_dump_json(indent=2) + "\n")
