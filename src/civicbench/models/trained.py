"""What training made of a base model: an adapter on it, or every weight anew."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.files import write_json_whole
from civicbench.models.loading import (
    PROVENANCE_NAME,
    Precision,
    Quantisation,
    load_adapter,
    load_base,
    load_weights,
    torch_precision,
)
from civicbench.models.prepare import PreparedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

TrainedKind = Literal["adapter", "full"]
ADAPTER_WEIGHTS_NAME = "adapter_model.safetensors"
ADAPTER_CONFIGURATION_NAME = "adapter_config.json"
CONFIGURATION_NAME = "config.json"
GENERATION_NAME = "generation_config.json"
ADAPTER_FOLDER = "adapter"
FULL_FOLDER = "model"
_FULL_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_LARGEST_FILE = "5GB"


def trained_folder(method: str) -> str:
    """Return the folder in which a version keeps what a training method made.

    Args:
        method: The training settings' method.
    """
    return FULL_FOLDER if method == "full" else ADAPTER_FOLDER


def trained_kind(folder: Path) -> TrainedKind:
    """Return whether a folder holds an adapter or a fully trained model.

    Raises:
        PartAbsentError: It holds neither in safetensors form.
    """
    if (folder / ADAPTER_WEIGHTS_NAME).is_file():
        return "adapter"
    if any((folder / name).is_file() for name in _FULL_WEIGHTS):
        return "full"
    raise PartAbsentError("no trained weights in safetensors form", where=str(folder))


def load_fully_trained(
    folder: Path,
    *,
    base_weights_digest: str,
    precision: Precision,
    quantisation: Quantisation | None = None,
    spread: bool = False,
) -> "PreTrainedModel":
    """Load a model whose every weight was trained; it stands alone, without its base.

    Args:
        folder: Its weights, configuration and provenance.
        base_weights_digest: Digest of the base model that it is taken to come from.
        precision: Number format of the weights.
        quantisation: As for `load_base`.
        spread: Spread the layers over all GPUs.

    Raises:
        InvalidInputError: It was trained from another base.
    """
    trained_from = json.loads(read_text(folder / PROVENANCE_NAME))["base_weights_digest"]
    if trained_from != base_weights_digest:
        raise InvalidInputError(
            "the model was trained from another base model",
            where=str(folder),
            got=f"trained from {trained_from[:12]}, this base is {base_weights_digest[:12]}",
        )
    return load_weights(folder, precision=precision, quantisation=quantisation, spread=spread)


def load_trained(
    prepared: PreparedModel,
    folder: Path,
    *,
    precision: Precision,
    quantisation: Quantisation | None = None,
) -> "PeftModel | PreTrainedModel":
    """Load what training made: the base with the adapter on it, or the fully trained model.

    Args:
        prepared: The base model.
        folder: What training made, with its provenance.
        precision: Number format of the weights.
        quantisation: As for `load_base`.

    Raises:
        PartAbsentError: The folder holds no trained weights.
        InvalidInputError: They were trained from another base.
    """
    digest = prepared.record.weights_digest
    if trained_kind(folder) == "full":
        return load_fully_trained(
            folder, base_weights_digest=digest, precision=precision, quantisation=quantisation
        ).eval()
    base = load_base(prepared, precision=precision, quantisation=quantisation)
    return load_adapter(base, folder, base_weights_digest=digest)


def stored_precision(folder: Path) -> Precision:
    """Return the number format of a model folder's weights, as its configuration names it.

    float16, which is neither trained nor evaluated here, counts as float32: nothing is lost.
    """
    configuration = json.loads(read_text(folder / CONFIGURATION_NAME))
    # `torch_dtype` until transformers 4.55, `dtype` after.
    named = configuration.get("dtype", configuration.get("torch_dtype"))
    return "bfloat16" if named == "bfloat16" else "float32"


def weights_of(model: "PreTrainedModel") -> "dict[str, torch.Tensor]":
    """Return a model's weights by name, each once: none that is tied to another."""
    tied = set(model.all_tied_weights_keys)
    return {name: weight for name, weight in model.state_dict().items() if name not in tied}


def write_weights(
    weights: "Mapping[str, torch.Tensor]", *, folder: Path, precision: Precision
) -> None:
    """Write a model's weights as `model.safetensors`, in parts with an index where they are large.

    Args:
        weights: The weights by name, each once; see `weights_of`.
        folder: Gets the files.
        precision: Number format in which they are written.
    """
    from huggingface_hub import save_torch_state_dict

    dtype = torch_precision(precision)
    save_torch_state_dict(
        {name: weight.detach().to(dtype) for name, weight in weights.items()},
        folder,
        max_shard_size=_LARGEST_FILE,
        metadata={"format": "pt"},
    )


def write_configuration(source: Path, *, folder: Path, precision: Precision) -> None:
    """Write a model's configuration, naming the number format of the weights beside it.

    Args:
        source: The configuration that is taken over.
        folder: Gets `config.json`.
        precision: The weights' number format.
    """
    configuration = json.loads(read_text(source))
    configuration.pop("torch_dtype", None)
    configuration["dtype"] = precision
    write_json_whole(folder / CONFIGURATION_NAME, configuration)
