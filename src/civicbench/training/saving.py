"""What a finished training run leaves: the adapter, its provenance, its record."""

import json
import time
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
from civicbench.core.files import write_json_whole, write_text_whole
from civicbench.models.loading import PROVENANCE_NAME
from civicbench.training.checkpoints import step_of
from civicbench.training.inputs import TrainingInputs
from civicbench.training.record import CurvePoint, TrainingMeasurements, TrainingRecord
from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    from civicbench.training.trainer import ProgressCallback

RECORD_NAME = "training.json"
MEASUREMENTS_NAME = "measurements.json"
ADAPTER_FOLDER = "adapter"
# They say how a run is kept safe while it works, and leave its outcome as it is.
CADENCE_SETTINGS = frozenset({"checkpoint_every_steps", "checkpoints_kept"})
_ADAPTER_CONFIGURATION = "adapter_config.json"


def save_run(
    settings: TrainingSettings, inputs: TrainingInputs, trainer: Any, *, folder: Path
) -> None:
    """Write a finished run's adapter with its provenance, and its record.

    Args:
        settings: The training settings.
        inputs: What the run read.
        trainer: The trainer that finished.
        folder: Gets `adapter/` and `training.json`.
    """
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
        "settings": settings.model_dump(mode="json", exclude=set(CADENCE_SETTINGS)),
        "packages": package_versions(),
        "code_version": code_version(),
    }
    write_json_whole(adapter / PROVENANCE_NAME, provenance)
    history = trainer.state.log_history
    training = TrainingRecord(
        method=settings.method,
        settings=settings.model_dump(mode="json", exclude=set(CADENCE_SETTINGS)),
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


def measure_run(
    trainer: Any,
    callback: "ProgressCallback",
    *,
    resume: Path | None,
    folder: Path,
) -> None:
    """Write a run's time and memory.

    Args:
        trainer: The trainer that finished.
        callback: Knows when it started.
        resume: The checkpoint that it went on from, or None.
        folder: Gets `measurements.json`.
    """
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
