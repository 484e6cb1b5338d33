"""A base model whose weights are read late: once it is known which part of them a process holds.

Until then each weight is a single nought seen as often as its shape asks, which takes no memory
and lets adapters be put on as on the model itself.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from civicbench.core.environment import usable_cores
from civicbench.core.errors import IntegrityError
from civicbench.models.loading import Precision, torch_precision
from civicbench.models.prepare import PreparedModel
from civicbench.training.distributed.sharing import Part

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ADAPTED = ".base_layer"


def load_hollow(prepared: PreparedModel, *, precision: Precision) -> "PreTrainedModel":
    """Return a base model with the shapes, the number format and the buffers of its weights alone.

    Args:
        prepared: The verified base model.
        precision: The weights' number format.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.set_num_threads(usable_cores())
    configuration = AutoConfig.from_pretrained(
        prepared.folder, local_files_only=True, trust_remote_code=False
    )
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(
            configuration, dtype=torch_precision(precision), trust_remote_code=False,
            attn_implementation="sdpa",
        )  # fmt: skip
    model.tie_weights()
    _replace(model, lambda old: torch.zeros((), dtype=old.dtype).expand(old.shape))
    # Its frequencies are computed, not read.
    model.model.rotary_emb = type(model.model.rotary_emb)(config=configuration)
    found: PreTrainedModel = model.eval()
    return found


def is_hollow(model: torch.nn.Module) -> bool:
    """Return whether a model's weights are still to be read."""
    return any(_is_hollow(weight) for weight in model.parameters())


def leave_to_be_read(model: torch.nn.Module) -> None:
    """Leave hollow weights without any memory, as fully_shard takes them."""
    _replace(
        model,
        lambda old: (
            torch.empty(old.shape, dtype=old.dtype, device="meta") if _is_hollow(old) else None
        ),
    )


def read_weights(
    model: torch.nn.Module,
    folder: Path,
    *,
    make_room: Callable[[torch.nn.Parameter], torch.Tensor],
    part_of: Callable[[torch.Tensor], Part],
) -> None:
    """Read this process's part of every weight that was left to be read.

    Args:
        model: The model, shared out.
        folder: The base model's folder, verified.
        make_room: Returns room for this process's part of a weight.
        part_of: Returns that part.

    Raises:
        IntegrityError: The folder lacks a weight.
    """
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            opened = stack.enter_context(safe_open(path, framework="pt"))
            files.update(dict.fromkeys(opened.keys(), opened))

        def read(old: torch.nn.Parameter) -> torch.Tensor | None:
            if not old.is_meta:
                return None
            name = next((name for name in names[id(old)] if name in files), None)
            if name is None:
                raise IntegrityError(
                    "the base model's files lack a weight",
                    where=str(folder),
                    got=names[id(old)][0],
                    remedy="remove the folder, so that it is made ready anew",
                )
            made = make_room(old)
            part = part_of(made)
            rows = files[name].get_slice(name)[part.start : part.start + part.values.shape[0]]
            part.values.copy_(rows)
            return made

        names: dict[int, list[str]] = {}
        for module_name, module in model.named_modules():
            for key, weight in module.named_parameters(recurse=False):
                # A weight that is tied to another has two names, of which the files have one.
                names.setdefault(id(weight), []).append(_file_name(f"{module_name}.{key}"))
        _replace(model, read)


def _file_name(name: str) -> str:
    """Return what the base model's files call a weight, also where adapters stand around it."""
    return name.removeprefix("base_model.model.").replace(_ADAPTED, "")


def _is_hollow(weight: torch.Tensor) -> bool:
    if weight.is_meta or weight.numel() < 2:
        return False
    return weight.untyped_storage().nbytes() < weight.numel() * weight.element_size()


def _replace(
    model: torch.nn.Module, new: Callable[[torch.nn.Parameter], torch.Tensor | None]
) -> None:
    """Put new weights in the place of old ones, where there is one; tied ones stay tied."""
    made: dict[int, tuple[torch.nn.Parameter, torch.nn.Parameter | None]] = {}
    for module, key, old in list(_places(model)):
        if id(old) not in made:
            values = new(old)
            weight = None
            if values is not None:
                weight = torch.nn.Parameter(values, requires_grad=old.requires_grad)
            made[id(old)] = (old, weight)
        weight = made[id(old)][1]
        if weight is not None:
            setattr(module, key, weight)


def _places(model: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str, torch.nn.Parameter]]:
    for module in model.modules():
        for key, weight in module.named_parameters(recurse=False):
            yield module, key, weight
