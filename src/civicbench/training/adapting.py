"""The model that is trained: the base with an adapter on it, or the base itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
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
    settings: TrainingSettings,
    prepared: PreparedModel,
    *,
    spread: bool,
    reads_late: bool = False,
) -> "PeftModel | PreTrainedModel":
    """Return the loaded base with a fresh adapter on it, its weights seeded; or the base, for full.

    The weights that are trained are float32 whatever the base is held in.

    Args:
        settings: The training settings.
        prepared: The verified base model.
        spread: Whether the base's layers are spread over several GPUs.
        reads_late: Whether each process will read its own part of the weights: they are left out,
            unless the adapter's start is computed from them.

    Raises:
        InvalidInputError: As `check_method` raises.
        PartAbsentError: Quantisation is asked for and `bitsandbytes` is not installed.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    check_method(settings, prepared)
    full = settings.method == "full"
    precision = "float32" if full else settings.precision
    from_weights = settings.initialisation != "zero" or settings.weight_decomposed
    if reads_late and not from_weights:
        from civicbench.training.distributed.hollow import load_hollow

        base = load_hollow(prepared, precision=precision)
    else:
        base = load_base(
            prepared, precision=precision, quantisation=settings.quantisation, spread=spread
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
