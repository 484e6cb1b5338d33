"""A training run, as a resumable stage."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import remove_folder
from civicbench.core.progress import Reporter
from civicbench.core.ranks import Ranks
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.models.loading import choose_device
from civicbench.models.prepare import PreparedModel
from civicbench.training.distributed.presets import refuse_preset
from civicbench.training.inputs import TrainingInputs
from civicbench.training.record import TrainingMeasurements, TrainingRecord
from civicbench.training.saving import (
    MEASUREMENTS_NAME,
    NEUTRAL_SETTINGS,
    RECORD_NAME,
    measure_run,
    save_run,
)
from civicbench.training.settings import TrainingSettings
from civicbench.training.tracking import Tracker

CODE_VERSION = 3
CHECKPOINTS_FOLDER = "checkpoints"


def training_stage(
    settings: TrainingSettings,
    prepared: PreparedModel,
    *,
    snapshot_digest: str,
    workspace: Workspace,
) -> Stage:
    """Return the stage that trains an adapter."""
    return Stage(
        kind="train",
        name=f"training {settings.method} on {prepared.entry.name}",
        folder=workspace.runs,
        settings=settings.model_dump(mode="json", exclude=set(NEUTRAL_SETTINGS)),
        inputs={
            "weights": prepared.record.weights_digest,
            "tokenizer": prepared.record.tokenizer_digest,
            "template": prepared.record.template_digest,
            "snapshot": snapshot_digest,
        },
        code_version=CODE_VERSION,
        volatile=frozenset({MEASUREMENTS_NAME}),
        resumable=True,
    )


def train(
    settings: TrainingSettings,
    inputs: TrainingInputs,
    *,
    folder: Path,
    reporter: Reporter,
    trackers: Callable[[], Sequence[Tracker]],
    ranks: Ranks | None = None,
) -> None:
    """Train into a folder, going on from the last whole checkpoint there.

    Every process of the run calls this; the first one writes.

    Args:
        settings: The training settings.
        inputs: Model and examples.
        folder: Gets `adapter/`, `training.json`, `metrics.jsonl` and `measurements.json`.
        reporter: Shows progress.
        trackers: Opens the recipe's trackers; called when all checks have passed.
        ranks: The processes that share each step; this one alone where None.

    Raises:
        InvalidInputError: A batch larger than the data, target modules that match nothing, or
            checkpoints of another run.
        WorkFailedError: The loss is not finite or grows without end; another process has gone.
        PartAbsentError: More memory would be needed than is free; with what would fit.
        StoppedError: A signal asked to stop; a checkpoint of the last step stands.
    """
    import torch

    from civicbench.training.adapting import build_trainable_model
    from civicbench.training.attempt import Attempt
    from civicbench.training.distributed.choosing import build_sharing
    from civicbench.training.loop import TrainingLoop
    from civicbench.training.memory.allocator import return_large_blocks
    from civicbench.training.memory.requirement import require_memory
    from civicbench.training.objectives import build_objective

    ranks = ranks or Ranks()
    _refuse_misfits(settings, inputs)
    preset = refuse_preset(settings, processes=ranks.size, spread=inputs.spread)
    require_memory(
        inputs.prepared.entry.architecture,
        settings,
        rows=inputs.train,
        processes=ranks.size,
        spread_devices=torch.cuda.device_count() if inputs.spread else 1,
        shares_weights=preset.shares_weights,
    )
    if choose_device() == "cpu":
        return_large_blocks(settings, shares_weights=preset.shares_weights)
    sharing = build_sharing(preset, ranks=ranks)
    model = build_trainable_model(
        settings, inputs.prepared, spread=inputs.spread, reads_late=sharing.reads_late
    )
    loop = TrainingLoop(
        settings,
        model,
        objective=build_objective(settings, inputs.train),
        ranks=ranks,
        sharing=sharing,
        spread=inputs.spread,
    )
    held_out = None
    if inputs.held_out:
        held_out = build_objective(settings, inputs.held_out)
    attempt = Attempt(
        settings,
        loop,
        held_out=held_out,
        run=facts_of(settings, inputs),
        folder=folder,
        checkpoints=folder / CHECKPOINTS_FOLDER,
        reporter=reporter,
    )
    resumed_from = attempt.resume()
    opened = trackers() if ranks.rank == 0 else ()
    started = time.monotonic()
    try:
        state = attempt.work(opened)
    finally:
        for tracker in opened:
            tracker.finish()
    wall_time_s = time.monotonic() - started
    save_run(settings, inputs, loop, state, folder=folder)
    if ranks.rank > 0:
        return
    rows = [row for step in range(resumed_from, state.steps) for row in loop.order.rows_of(step)]
    measure_run(
        tokens=sum(loop.objective.lengths[row] for row in rows),
        wall_time_s=wall_time_s,
        resumed_from_step=resumed_from or None,
        folder=folder,
    )
    remove_folder(folder / CHECKPOINTS_FOLDER)


def _refuse_misfits(settings: TrainingSettings, inputs: TrainingInputs) -> None:
    """Refuse settings that the data do not fit.

    Raises:
        InvalidInputError: With the setting's name.
    """
    rows, batch = len(inputs.train), settings.batch_size_rows
    if batch > rows:
        raise InvalidInputError(
            "a step takes more rows than there are",
            where="training.batch_size_rows",
            got=f"{batch} rows a step, {rows} rows in all",
        )
    needs_held_out = settings.keep == "best" or settings.early_stopping_patience is not None
    if needs_held_out and not inputs.held_out:
        raise InvalidInputError(
            "keep: best and early stopping go by the held-out loss, and there are no held-out rows",
            where="training",
            got="a dataset without a validation split",
            remedy="give the dataset a validation split, or set keep to last and "
            "early_stopping_patience to null",
        )


def facts_of(settings: TrainingSettings, inputs: TrainingInputs) -> dict[str, str]:
    """Return what a checkpoint must agree with to be gone on from."""
    record = inputs.prepared.record
    shaping = settings.model_dump(mode="json", exclude=set(NEUTRAL_SETTINGS))
    return {
        **{f"training.{name}": str(value) for name, value in shaping.items()},
        "base model's weights": record.weights_digest,
        "tokenizer": record.tokenizer_digest,
        "template": record.template_digest,
        "dataset snapshot": inputs.snapshot_digest,
        "rows": str(len(inputs.train)),
        "code version": str(CODE_VERSION),
    }


def read_training_record(folder: Path) -> TrainingRecord:
    """Return what a training run says of itself."""
    return TrainingRecord.model_validate_json(read_text(folder / RECORD_NAME))


def read_training_measurements(folder: Path) -> TrainingMeasurements:
    """Return a training run's time and memory."""
    return TrainingMeasurements.model_validate_json(read_text(folder / MEASUREMENTS_NAME))
