"""Methods at work on few rows: settings, a plain loop, and what a model says of the rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tests.training.factory import make_settings

from civicbench.core.files import write_json_whole
from civicbench.core.ranks import Ranks
from civicbench.models.loading import PROVENANCE_NAME
from civicbench.models.prepare import PreparedModel
from civicbench.training.adapting import build_trainable_model
from civicbench.training.examples import Example
from civicbench.training.loop import TrainingLoop
from civicbench.training.objectives import build_objective
from civicbench.training.outcome import Outcome
from civicbench.training.settings import TrainingSettings

FULL: dict[str, Any] = {
    "method": "full", "rank": None, "alpha": None, "target_modules": None, "learning_rate": 1e-3,
}  # fmt: skip
ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"rank_stabilised": True},
    "dora": {"weight_decomposed": True},
    "pissa": {"initialisation": "pissa"},
    "pissa, rank-stabilised": {"initialisation": "pissa", "rank_stabilised": True},
    "lora-plus": {"b_learning_rate_ratio": 16.0, "learning_rate": 1e-3},
}
QUANTISED: dict[str, dict[str, Any]] = {
    "qlora": {"quantisation": "nf4", "precision": "bfloat16"},
    "qlora with dora": {
        "quantisation": "nf4", "precision": "bfloat16", "weight_decomposed": True,
    },
    "int8": {"quantisation": "int8", "precision": "bfloat16"},
    "int8, float32": {"quantisation": "int8"},
}  # fmt: skip


def settings_of(changes: dict[str, Any]) -> TrainingSettings:
    return make_settings(**{"learning_rate": 5e-3, **changes})


def logits_of(model: Any, examples: Sequence[Example]) -> torch.Tensor:
    """Return the logits at every token of the examples, one after another."""
    with torch.inference_mode():
        model.eval()
        found = [model(input_ids=torch.tensor([e.input_ids])).logits[0] for e in examples]
    return torch.cat(found).float()


def steps(
    model: Any, settings: TrainingSettings, examples: Sequence[Example], *, count: int
) -> list[float]:
    """Train on all examples in each of so many steps, at a constant rate; return their losses."""
    changes = {
        "batch_size_rows": len(examples),
        "gradient_accumulation_steps": 1,
        "epochs": count,
        "schedule": "constant",
        "warmup_share": 0.0,
    }
    settings = settings.model_copy(update=changes)
    loop = TrainingLoop(
        settings, model, objective=build_objective(settings, examples), ranks=Ranks()
    )
    losses = [loop.take_step(step, stop_asked=False).loss for step in range(count)]
    base = model if settings.method == "full" else model.get_base_model()
    base.set_attn_implementation("sdpa")  # for forward passes of the test's own
    return losses


def save(model: Any, settings: TrainingSettings, prepared: PreparedModel, folder: Path) -> Path:
    """Write what training made, with the provenance that loading asks for."""
    Outcome.of(model).write(folder, base_name=prepared.record.name)
    write_json_whole(
        folder / PROVENANCE_NAME, {"base_weights_digest": prepared.record.weights_digest}
    )
    return folder


def trained(
    changes: dict[str, Any],
    prepared: PreparedModel,
    examples: Sequence[Example],
    folder: Path,
    *,
    count: int = 4,
) -> tuple[Any, Path]:
    """Return a live model after some steps, and the folder into which it was written."""
    settings = settings_of(changes)
    model = build_trainable_model(settings, prepared, spread=False)
    steps(model, settings, examples, count=count)
    return model, save(model, settings, prepared, folder)
