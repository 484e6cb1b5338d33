"""A training run, as a resumable stage."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.settings import suggest
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.models.loading import choose_device, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.training.checkpoints import latest_whole, step_of
from civicbench.training.collating import build_collator, features_of
from civicbench.training.examples import Example
from civicbench.training.inputs import TrainingInputs
from civicbench.training.record import TrainingMeasurements, TrainingRecord
from civicbench.training.saving import (
    CADENCE_SETTINGS,
    MEASUREMENTS_NAME,
    RECORD_NAME,
    measure_run,
    save_run,
)
from civicbench.training.settings import TrainingSettings
from civicbench.training.tracking import Tracker

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, TrainerCallback

    from civicbench.training.trainer import CompletionTrainer

CODE_VERSION = 1
_CHECKPOINTS = "checkpoints"


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
        settings=settings.model_dump(mode="json", exclude=set(CADENCE_SETTINGS)),
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
) -> None:
    """Train an adapter into a folder, going on from the last whole checkpoint there.

    Args:
        settings: The training settings.
        inputs: Model and examples.
        folder: Gets `adapter/`, `training.json`, `metrics.jsonl` and `measurements.json`.
        reporter: Shows progress.
        trackers: Opens the recipe's trackers; called when all checks have passed.

    Raises:
        InvalidInputError: A batch larger than the data, target modules that match nothing.
        WorkFailedError: The loss is not finite.
    """
    from civicbench.training.trainer import ProgressCallback

    if settings.batch_size_rows > len(inputs.train):
        raise InvalidInputError(
            "a batch is larger than the training data",
            where="training.batch_size_rows",
            got=f"{settings.batch_size_rows} rows a batch, {len(inputs.train)} rows in all",
        )
    checkpoints = folder / _CHECKPOINTS
    resume = latest_whole(checkpoints, reporter=reporter)
    model = build_adapted_model(settings, inputs.prepared, spread=inputs.spread)
    opened = trackers()
    per_epoch, steps = _steps(settings, rows=len(inputs.train))
    with reporter.track("training", total=steps, unit="steps") as advance:
        tokens = sum(example.length for example in inputs.train)
        callback = ProgressCallback(
            folder,
            advance=advance,
            tokens_per_step=tokens * settings.epochs / steps,
            held_out_every_steps=per_epoch if inputs.held_out else None,
            trackers=opened,
        )
        trainer = build_trainer(
            settings, inputs, model, checkpoints=checkpoints, callbacks=[callback]
        )
        if resume is not None:
            reporter.say(f"  going on from step {step_of(resume)} of {steps}")
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        finally:
            for tracker in opened:
                tracker.finish()
    save_run(settings, inputs, trainer, folder=folder)
    measure_run(trainer, callback, resume=resume, folder=folder)
    shutil.rmtree(checkpoints)


def read_training_record(folder: Path) -> TrainingRecord:
    """Return what a training run says of itself."""
    return TrainingRecord.model_validate_json(read_text(folder / RECORD_NAME))


def read_training_measurements(folder: Path) -> TrainingMeasurements:
    """Return a training run's time and memory."""
    return TrainingMeasurements.model_validate_json(read_text(folder / MEASUREMENTS_NAME))


def _steps(settings: TrainingSettings, *, rows: int) -> tuple[int, int]:
    """Return the optimiser steps of an epoch and of the run, as transformers counts them."""
    batches = -(-rows // settings.batch_size_rows)
    per_epoch = max(-(-batches // settings.gradient_accumulation_steps), 1)
    return per_epoch, max(-(-int(per_epoch * settings.epochs * 1_000_000) // 1_000_000), 1)


def build_trainer(
    settings: TrainingSettings,
    inputs: TrainingInputs,
    model: "PeftModel",
    *,
    checkpoints: Path,
    callbacks: "Sequence[TrainerCallback]",
) -> "CompletionTrainer":
    """Return TRL's trainer, every argument passed by name.

    Args:
        settings: The training settings.
        inputs: The examples.
        model: The base with its adapter.
        checkpoints: Where checkpoints go.
        callbacks: Told of steps, logs and saves.
    """
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from transformers.trainer_callback import ProgressCallback as TransformersProgress
    from trl import SFTConfig

    from civicbench.training.ordering import LengthGroupedOrder
    from civicbench.training.trainer import CompletionTrainer

    def dataset(examples: Sequence[Example]) -> Dataset:
        return Dataset.from_list([features_of(example) for example in examples])

    on_cpu = choose_device() == "cpu"
    configuration = SFTConfig(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size_rows,
        per_device_eval_batch_size=settings.batch_size_rows,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup_share,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.maximum_gradient_norm,
        optim="adamw_torch",
        bf16=settings.precision == "bfloat16",
        fp16=False,
        gradient_checkpointing=settings.gradient_checkpointing,
        max_length=None,
        packing=False,
        completion_only_loss=False,
        shuffle_dataset=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",  # ProgressCallback asks for it
        save_strategy="steps",
        save_steps=settings.checkpoint_every_steps,
        save_total_limit=settings.checkpoints_kept,
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )
    trainer = CompletionTrainer(
        order=LengthGroupedOrder(
            [example.length for example in inputs.train],
            batch_size_rows=settings.batch_size_rows,
            seed=settings.seed,
        ),
        held_out_row_tokens=_mean_trained_tokens(inputs.held_out),
        model=model,
        args=configuration,
        data_collator=build_collator(inputs.renderer),
        train_dataset=dataset(inputs.train),
        eval_dataset=dataset(inputs.held_out) if inputs.held_out else None,
        processing_class=inputs.renderer.tokenizer,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(TransformersProgress)
    return trainer


def _mean_trained_tokens(examples: Sequence[Example]) -> float:
    trained = sum(len(example.rendered.completion_ids) for example in examples)
    return trained / max(len(examples), 1)
