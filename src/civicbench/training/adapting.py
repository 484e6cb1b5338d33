"""The model that is trained: the base with an adapter on it, or the base itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.files import copy_file_whole, write_json_whole
from civicbench.core.settings import suggest
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.trained import (
    ADAPTER_CONFIGURATION_NAME,
    ADAPTER_WEIGHTS_NAME,
    CONFIGURATION_NAME,
    GENERATION_NAME,
    stored_precision,
    write_weights,
)
from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

ADAPTER_NAME = "default"
INITIAL_NAME = "initial"
"""A PiSSA adapter as it was at the start, kept frozen and inactive beside the trained one."""
_SHOWN_LAYERS = 3


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


def check_method(settings: TrainingSettings, prepared: PreparedModel) -> None:
    """Refuse an adapter that does not fit the base, from the base's shapes alone.

    Args:
        settings: The training settings.
        prepared: The verified base model; its weights are not read.

    Raises:
        InvalidInputError: Target modules that match no linear layer, or a rank that is larger
            than the smaller side of a layer.
    """
    if settings.method == "full":
        return
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    configuration = AutoConfig.from_pretrained(
        prepared.folder, local_files_only=True, trust_remote_code=False
    )
    with torch.device("meta"):
        shapes = AutoModelForCausalLM.from_config(configuration, trust_remote_code=False)
    head = shapes.get_output_embeddings()
    linear = {
        name: module
        for name, module in shapes.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if isinstance(settings.target_modules, tuple):
        _refuse_unknown_layers(settings.target_modules, list(linear))
        linear = {
            name: module
            for name, module in linear.items()
            if any(_matches(name, target) for target in settings.target_modules)
        }
    assert settings.rank is not None  # noqa: S101 (validated)
    narrow = {
        name: min(module.in_features, module.out_features)
        for name, module in linear.items()
        if settings.rank > min(module.in_features, module.out_features)
    }
    if narrow:
        shown = [f"{name} has {side}" for name, side in list(narrow.items())[:_SHOWN_LAYERS]]
        more = len(narrow) - len(shown)
        raise InvalidInputError(
            "the rank is larger than the smaller side of a layer: the adapter would have more "
            "weights than the layer can take up",
            where="training.rank",
            got=f"{settings.rank}; {', '.join(shown)}{f' and {more} more' if more else ''}",
            remedy=f"set it to {min(narrow.values())} or less, or name wider layers in "
            "training.target_modules",
        )


def build_trainable_model(
    settings: TrainingSettings, prepared: PreparedModel, *, spread: bool
) -> "PeftModel | PreTrainedModel":
    """Return the loaded base with a fresh adapter on it, its weights seeded; or the base, for full.

    The weights that are trained are float32 whatever the base is held in.

    Args:
        settings: The training settings.
        prepared: The verified base model.
        spread: Whether the base's layers are spread over several GPUs.

    Raises:
        InvalidInputError: As `check_method` raises.
        PartAbsentError: Quantisation is asked for and `bitsandbytes` is not installed.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    check_method(settings, prepared)
    full = settings.method == "full"
    base = load_base(
        prepared,
        precision="float32" if full else settings.precision,
        quantisation=settings.quantisation,
        spread=spread,
    )
    if full:
        return base
    assert settings.rank  # noqa: S101 (validated)
    assert settings.alpha  # noqa: S101 (validated)
    assert settings.target_modules  # noqa: S101 (validated)
    configuration = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear"
        if settings.target_modules == "all-linear"
        else list(settings.target_modules),
        use_rslora=settings.rank_stabilised,
        use_dora=settings.weight_decomposed,
        init_lora_weights="pissa" if settings.initialisation == "pissa" else True,
        task_type="CAUSAL_LM",
    )
    set_seed(settings.seed)
    model = get_peft_model(base, configuration, adapter_name=ADAPTER_NAME)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    if settings.initialisation == "pissa":
        _keep_start(model, configuration)
    return model


def trainable_groups(
    model: "PeftModel | PreTrainedModel", settings: TrainingSettings
) -> list[TrainableGroup]:
    """Return the weights that are trained, in groups that are trained alike.

    Weight decay is for matrices alone: norms, biases and DoRA's magnitudes go without. The
    adapter's B matrices take the learning rate times `b_learning_rate_ratio` (LoRA+, arXiv
    2402.12354, section 5).

    Args:
        model: What `build_trainable_model` returned.
        settings: The training settings.

    Returns:
        Groups that are not empty, in an order that is the same in every process.
    """
    found: dict[tuple[bool, bool], dict[str, torch.nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            found.setdefault(("lora_B" in name, weight.ndim > 1), {})[name] = weight
    return [
        TrainableGroup(
            weights,
            rate_share=settings.b_learning_rate_ratio if is_b else 1.0,
            weight_decay=settings.weight_decay if is_matrix else 0.0,
        )
        for (is_b, is_matrix), weights in sorted(found.items(), key=lambda group: group[0])
    ]


def save_trained(
    model: "PeftModel | PreTrainedModel",
    settings: TrainingSettings,
    *,
    base_name: str,
    folder: Path,
) -> None:
    """Write what training made: an adapter on the untouched base, or every weight.

    An adapter is `adapter_model.safetensors` and `adapter_config.json`. A fully trained model is
    `model.safetensors` (in parts, with an index, where it is large) in the number format of the
    base's files, beside the base's `config.json`.

    Args:
        model: From `build_trainable_model`, trained.
        settings: The training settings.
        base_name: The base model's name; no machine's path is written.
        folder: Gets the files; made where absent.
    """
    from peft import PeftModel
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    if settings.method == "full":
        assert not isinstance(model, PeftModel)  # noqa: S101 (full has no adapter)
        source = Path(model.name_or_path)
        write_weights(model, folder=folder, precision=stored_precision(source))
        for name in (CONFIGURATION_NAME, GENERATION_NAME):
            if (source / name).is_file():
                copy_file_whole(source / name, folder / name)
        return
    configuration, weights = _plain_adapter(model)
    save_file(weights, folder / ADAPTER_WEIGHTS_NAME, metadata={"format": "pt"})
    written = {
        **configuration.to_dict(),
        "base_model_name_or_path": base_name,
        "inference_mode": True,
        # PEFT keeps the layers' names in a set, whose order changes from process to process.
        "target_modules": sorted(configuration.target_modules),
    }
    write_json_whole(folder / ADAPTER_CONFIGURATION_NAME, written)


def _plain_adapter(
    model: "PeftModel",
) -> "tuple[LoraConfig, dict[str, torch.Tensor]]":
    """Return the adapter as a plain one on the untouched base: its configuration and weights.

    PiSSA trains on what is left of the base below the adapter's start. With W the base,
    W - sB0A0 what is left and sBA the adapter, the trained layer is W + s(BA - B0A0): an adapter
    of twice the rank on W itself (arXiv 2404.02948, appendix C).

    Args:
        model: The base with its trained adapter.
    """
    import torch
    from peft import get_peft_model_state_dict

    def weights(name: str) -> "dict[str, torch.Tensor]":
        found = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
        return {key: value.detach().float().cpu() for key, value in found.items()}

    configuration = model.peft_config[ADAPTER_NAME]
    trained = weights(ADAPTER_NAME)
    if INITIAL_NAME in model.peft_config:
        start = weights(INITIAL_NAME)
        joined = {
            key: torch.cat((value, start[key]), dim=0)
            if "lora_A" in key
            else torch.cat((value, -start[key]), dim=1)
            for key, value in trained.items()
        }
        rank = 2 * configuration.r
        root = configuration.use_rslora
        scaling = configuration.lora_alpha / (configuration.r**0.5 if root else configuration.r)
        configuration = replace(
            configuration,
            r=rank,
            lora_alpha=scaling * (rank**0.5 if root else rank),
            init_lora_weights=True,
        )
        trained = joined
    return configuration, {key: value.contiguous() for key, value in trained.items()}


def _keep_start(model: "PeftModel", configuration: "LoraConfig") -> None:
    """Keep a copy of the adapter's weights, frozen and switched off, in the model itself."""
    import torch
    from peft.tuners.lora import LoraLayer

    model.add_adapter(INITIAL_NAME, replace(configuration, init_lora_weights=True))
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, LoraLayer):
                for matrices in (layer.lora_A, layer.lora_B):
                    matrices[INITIAL_NAME].weight.copy_(matrices[ADAPTER_NAME].weight)
                    matrices[INITIAL_NAME].weight.requires_grad_(False)


def _matches(name: str, target: str) -> bool:
    """Return whether PEFT would put an adapter on the layer of that name."""
    return name == target or name.endswith(f".{target}")


def _refuse_unknown_layers(targets: tuple[str, ...], linear: list[str]) -> None:
    """Refuse names of layers that the model lacks: PEFT passes over them while others match."""
    unknown = sorted(t for t in targets if not any(_matches(name, t) for name in linear))
    if unknown:
        known = {name.rpartition(".")[2] for name in linear}
        near = [n for n in (suggest(name, known) for name in unknown) if n is not None]
        raise InvalidInputError(
            "the target modules match no layer of the model",
            where="training.target_modules",
            got=", ".join(unknown),
            remedy=f"did you mean {', '.join(near)}?"
            if near
            else f"the linear layers are {', '.join(sorted(known))}",
        )
