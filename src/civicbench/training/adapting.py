"""The model that is trained: the base with an adapter on it, or the base itself."""

from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


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
    assert settings.rank and settings.alpha and settings.target_modules  # noqa: S101 (validated)
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
