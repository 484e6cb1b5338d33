"""A training run, as a resumable stage."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicbench.core.digests import digest_files, digest_listing
from civicbench.core.documents import read_text
from civicbench.core.environment import (
    code_version,
    package_versions,
    peak_memory_bytes,
    processor_name,
)
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_json_whole, write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.models.loading import PROVENANCE_NAME, choose_device, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training.checkpoints import latest_whole, step_of
from civicbench.training.examples import Example
from civicbench.training.record import CurvePoint, TrainingMeasurements, TrainingRecord
from civicbench.training.settings import TrainingSettings
from civicbench.training.tracking import Tracker

if TYPE_CHECKING:
    from peft import PeftModel

    from civicbench.training.trainer import CompletionTrainer, ProgressCallback

CODE_VERSION = 1
RECORD_NAME = "training.json"
MEASUREMENTS_NAME = "measurements.json"
ADAPTER_FOLDER = "adapter"
_CHECKPOINTS = "checkpoints"
_ADAPTER_CONFIGURATION = "adapter_config.json"


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
        settings=settings.model_dump(
            mode="json", exclude={"checkpoint_every_steps", "checkpoints_kept"}
        ),
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
    model = _adapted_model(settings, inputs.prepared, spread=inputs.spread)
    opened = trackers()
    steps = _steps(settings, rows=len(inputs.train))
    with reporter.track("training", total=steps, unit="steps") as advance:
        tokens = sum(example.length for example in inputs.train)
        callback = ProgressCallback(
            folder,
            advance=advance,
            tokens_per_step=tokens * settings.epochs / steps,
            trackers=opened,
        )
        trainer = _trainer(settings, inputs, model, callback, checkpoints=checkpoints)
        if resume is not None:
            reporter.say(f"  going on from step {step_of(resume)} of {steps}")
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    for tracker in opened:
        tracker.finish()
    _save(settings, inputs, trainer, folder=folder)
    _measure(inputs, trainer, callback, resume=resume, folder=folder)
    shutil.rmtree(checkpoints)


def read_training_record(folder: Path) -> TrainingRecord:
    """Return what a training run says of itself."""
    return TrainingRecord.model_validate_json(read_text(folder / RECORD_NAME))


def read_training_measurements(folder: Path) -> TrainingMeasurements:
    """Return a training run's time and memory."""
    return TrainingMeasurements.model_validate_json(read_text(folder / MEASUREMENTS_NAME))


def _steps(settings: TrainingSettings, *, rows: int) -> int:
    """Return the number of optimiser steps, as transformers' trainer counts them."""
    batches = -(-rows // settings.batch_size_rows)
    per_epoch = max(-(-batches // settings.gradient_accumulation_steps), 1)
    return max(-(-int(per_epoch * settings.epochs * 1_000_000) // 1_000_000), 1)


def _adapted_model(
    settings: TrainingSettings, prepared: PreparedModel, *, spread: bool
) -> "PeftModel":
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    base = load_base(
        prepared,
        precision=settings.precision,
        quantise_4bit=settings.method == "qlora",
        spread=spread,
    )
    targets: str | list[str] = (
        "all-linear" if settings.target_modules == "all-linear" else list(settings.target_modules)
    )
    set_seed(settings.seed)
    configuration = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(base, configuration)
    except ValueError as error:
        raise InvalidInputError(
            "the target modules match no layer of the model",
            where="training.target_modules",
            got=str(error),
        ) from None


def _trainer(
    settings: TrainingSettings,
    inputs: TrainingInputs,
    model: "PeftModel",
    callback: "ProgressCallback",
    *,
    checkpoints: Path,
) -> "CompletionTrainer":
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from transformers.trainer_callback import ProgressCallback as TransformersProgress
    from trl import SFTConfig

    from civicbench.training.ordering import LengthGroupedOrder
    from civicbench.training.trainer import CompletionTrainer

    def dataset(examples: Sequence[Example]) -> Dataset:
        return Dataset.from_list([{"input_ids": e.input_ids, "labels": e.labels} for e in examples])

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
        eval_strategy="epoch" if inputs.held_out else "no",
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
        model=model,
        args=configuration,
        train_dataset=dataset(inputs.train),
        eval_dataset=dataset(inputs.held_out) if inputs.held_out else None,
        processing_class=inputs.renderer.tokenizer,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(TransformersProgress)
    return trainer


def _save(
    settings: TrainingSettings, inputs: TrainingInputs, trainer: Any, *, folder: Path
) -> None:
    adapter = folder / ADAPTER_FOLDER
    record = inputs.prepared.record
    # PEFT would write this machine's path of the base into the adapter.
    trainer.model.peft_config["default"].base_model_name_or_path = record.name
    trainer.model.save_pretrained(
        str(adapter), safe_serialization=True, save_embedding_layers=False
    )
    (adapter / "README.md").unlink(missing_ok=True)
    # PEFT keeps the layers' names in a set, whose order changes from process to process.
    configuration = json.loads(read_text(adapter / _ADAPTER_CONFIGURATION))
    configuration["target_modules"] = sorted(configuration["target_modules"])
    write_json_whole(adapter / _ADAPTER_CONFIGURATION, configuration)
    provenance = {
        "base": record.name,
        "base_weights_digest": record.weights_digest,
        "tokenizer_digest": record.tokenizer_digest,
        "template_digest": record.template_digest,
        "snapshot_digest": inputs.snapshot_digest,
        "settings": settings.model_dump(mode="json"),
        "packages": package_versions(),
        "code_version": code_version(),
    }
    write_json_whole(adapter / PROVENANCE_NAME, provenance)
    history = trainer.state.log_history
    training = TrainingRecord(
        method=settings.method,
        settings=settings.model_dump(mode="json"),
        seed=settings.seed,
        rows=len(inputs.train),
        epochs=settings.epochs,
        steps=trainer.state.global_step,
        prompt_tokens=sum(len(e.rendered.prompt_ids) for e in inputs.train),
        trained_tokens=sum(len(e.rendered.completion_ids) for e in inputs.train),
        trainable_parameters=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        curve=tuple(
            CurvePoint(step=e["step"], loss=e["loss"], learning_rate=e["learning_rate"])
            for e in history
            if "loss" in e
        ),
        held_out_curve=tuple(
            CurvePoint(step=e["step"], loss=e["eval_loss"]) for e in history if "eval_loss" in e
        ),
        adapter_digest=digest_listing(digest_files(adapter)),
        base_weights_digest=record.weights_digest,
        snapshot_digest=inputs.snapshot_digest,
        template_digest=record.template_digest,
        packages=package_versions(),
        code_version=code_version(),
    )
    write_text_whole(folder / RECORD_NAME, training.model_dump_json(indent=2) + "\n")


def _measure(
    inputs: TrainingInputs,
    trainer: Any,
    callback: "ProgressCallback",
    *,
    resume: Path | None,
    folder: Path,
) -> None:
    wall_time_s = time.monotonic() - callback.started
    steps = trainer.state.global_step - callback.first_step
    measurements = TrainingMeasurements(
        machine=processor_name(),
        wall_time_s=round(wall_time_s, 3),
        tokens_per_second=round(steps * callback.tokens_per_step / wall_time_s, 1),
        peak_memory_bytes=peak_memory_bytes(),
        resumed_from_step=step_of(resume) if resume else None,
    )
    write_text_whole(folder / MEASUREMENTS_NAME, measurements.model_dump_json(indent=2) + "\n")
