"""The model that is trained: the base with an adapter on it, or the base itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_json_whole
from civicbench.core.settings import suggest
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

_ADAPTER_CONFIGURATION = "adapter_config.json"


def build_trainable_model(
    settings: TrainingSettings, prepared: PreparedModel, *, spread: bool
) -> "PeftModel | PreTrainedModel":
    """Return the loaded base with a fresh adapter on it, its weights seeded; or the base, for full.

    Args:
        settings: The training settings.
        prepared: The verified base model.
        spread: Whether the base's layers are spread over several GPUs.

    Raises:
        InvalidInputError: The target modules match no layer.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    base = load_base(
        prepared,
        precision=settings.precision,
        quantisation=settings.quantisation,
        spread=spread,
    )
    if settings.method == "full":
        return base.float()
    assert settings.rank and settings.alpha  # noqa: S101, PT018 (validated)
    assert settings.target_modules is not None  # noqa: S101
    targets: str | list[str] = (
        "all-linear" if settings.target_modules == "all-linear" else list(settings.target_modules)
    )
    _refuse_unknown_layers(targets, base)
    set_seed(settings.seed)
    configuration = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        use_rslora=settings.rank_stabilised,
        use_dora=settings.weight_decomposed,
        init_lora_weights="pissa" if settings.initialisation == "pissa" else True,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, configuration)


def _refuse_unknown_layers(targets: str | list[str], base: "PreTrainedModel") -> None:
    """Refuse names of layers that the model lacks: PEFT passes over them while others match."""
    if isinstance(targets, str):
        return
    known = {name.rpartition(".")[2] for name, _ in base.named_modules() if name}
    unknown = sorted(set(targets) - known)
    if unknown:
        near = [n for n in (suggest(name, known) for name in unknown) if n is not None]
        raise InvalidInputError(
            "the target modules match no layer of the model",
            where="training.target_modules",
            got=", ".join(unknown),
            remedy=f"did you mean {', '.join(near)}?" if near else None,
        )


@dataclass(frozen=True)
class TrainableGroup:
    """Weights that are trained alike.

    Attributes:
        weights: The weights by name.
        rate_share: Their learning rate over the run's.
        weight_decay: AdamW's weight decay.
    """

    weights: "Mapping[str, torch.nn.Parameter]"
    rate_share: float
    weight_decay: float


def trainable_groups(
    model: "PeftModel | PreTrainedModel", settings: TrainingSettings
) -> list[TrainableGroup]:
    """Return the weights that are trained, in groups that are trained alike.

    Args:
        model: What `build_trainable_model` returned.
        settings: The training settings.
    """
    weights = {n: w for n, w in model.named_parameters() if w.requires_grad}
    return [TrainableGroup(weights, 1.0, settings.weight_decay)]


def save_trained(
    model: "PeftModel | PreTrainedModel",
    settings: TrainingSettings,
    *,
    base_name: str,
    folder: Path,
) -> None:
    """Write what training made.

    Args:
        model: What `build_trainable_model` returned, trained.
        settings: The training settings.
        base_name: The base model's name, in place of this machine's path.
        folder: Gets the files.
    """
    model.peft_config["default"].base_model_name_or_path = base_name
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    # PEFT keeps the layers' names in a set, whose order changes from process to process.
    configuration = json.loads(read_text(folder / _ADAPTER_CONFIGURATION))
    configuration["target_modules"] = sorted(configuration["target_modules"])
    write_json_whole(folder / _ADAPTER_CONFIGURATION, configuration)
