"""Weights shared out by PyTorch's fully_shard (FSDP2, arXiv 2304.11277).

Each decoder layer is a unit: its frozen weights and its adapter are fetched together when it
computes. What is left (embedding, last norm, head) is the unit around them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
)
from torch.distributed.tensor import DTensor

from civicbench.core.ranks import Ranks
from civicbench.models.loading import choose_device, torch_precision
from civicbench.training.adapting import trainable_groups
from civicbench.training.distributed.hollow import is_hollow, leave_to_be_read, read_weights
from civicbench.training.distributed.presets import Fsdp2
from civicbench.training.distributed.sharing import (
    ExchangesLossAlone,
    Part,
    Shared,
    weights_by_name,
)
from civicbench.training.optimising import build_optimiser

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from civicbench.training.settings import TrainingSettings


class SharesLayers(ExchangesLossAlone):
    """A part of each layer in each process.

    Args:
        ranks: The processes.
        preset: How layers are fetched.
    """

    reads_late = True

    def __init__(self, ranks: Ranks, *, preset: Fsdp2) -> None:
        super().__init__(ranks)
        self._preset = preset
        self._mesh = init_device_mesh(choose_device(), (ranks.size,))

    @property
    def writers(self) -> Ranks:
        """Every process writes its part."""
        return self.ranks

    def share(
        self, model: "PeftModel | PreTrainedModel", *, settings: "TrainingSettings"
    ) -> Shared:
        """Keep this process's part of each layer, in place; see `Sharing.share`."""
        base: Any = model.get_base_model() if settings.method == "lora" else model
        reads_late = is_hollow(model)
        if reads_late:
            leave_to_be_read(model)
        self._keep_parts(model)
        if reads_late:
            read_weights(
                model, Path(base.name_or_path), make_room=self._room_for, part_of=self.part_of
            )
        groups = trainable_groups(model, settings)
        optimiser = build_optimiser(groups, settings=settings, at_once=True)
        return Shared(model, weights_by_name(groups), optimiser)

    def _keep_parts(self, model: Any) -> None:
        preset = self._preset
        gathered = preset.gathered_precision
        common: dict[str, Any] = {
            "mesh": self._mesh,
            "mp_policy": MixedPrecisionPolicy(
                param_dtype=torch_precision(gathered) if gathered is not None else None,
                reduce_dtype=torch_precision(preset.reduced_precision),
            ),
            "offload_policy": CPUOffloadPolicy() if preset.cpu_offload else OffloadPolicy(),
        }
        again = preset.reshard_after_forward
        for layer in decoder_layers(model):
            fully_shard(layer, reshard_after_forward=again, **common)
        fully_shard(model, **common)
        for module in (*decoder_layers(model), model):
            # The loss is a part of the step's mean already: gradients are added, not averaged.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)

    def _room_for(self, weight: torch.nn.Parameter) -> torch.Tensor:
        """Return room for this process's part of a weight, where that part stands."""
        assert isinstance(weight, DTensor)  # noqa: S101 (fully_shard made it one)
        offloads = self._preset.cpu_offload
        part = weight.to_local()
        room = torch.zeros(
            part.shape, dtype=part.dtype, device="cpu" if offloads else self._mesh.device_type
        )
        return DTensor.from_local(
            room, self._mesh, weight.placements, shape=weight.shape, stride=weight.stride()
        )

    def clip(self, weights: Iterable[torch.nn.Parameter], maximum_norm: float) -> torch.Tensor:
        """Scale gradients down to a norm where that of all parts together is larger."""
        gradients = [_local(weight.grad) for weight in weights if weight.grad is not None]
        squares = torch.stack(torch._foreach_norm(gradients)).double().square().sum().cpu()
        self.ranks.add(squares)
        norm = squares.sqrt()
        # As torch.nn.utils.clip_grad_norm_ has it.
        factor = min(maximum_norm / (float(norm) + 1e-6), 1.0)
        if factor < 1.0:
            torch._foreach_mul_(gradients, factor)
        return norm

    def part_of(self, tensor: torch.Tensor) -> Part:
        """Return this process's rows of a weight or of its optimiser's moments."""
        if not isinstance(tensor, DTensor):
            return Part.whole(tensor)
        # fully_shard deals rows as torch.chunk does: equal parts, the last ones short or empty.
        rows = tensor.shape[0]
        each = -(-rows // self.ranks.size)
        return Part(_local(tensor.detach()), min(each * self.ranks.rank, rows), rows)

    def is_finite(self, weight: torch.nn.Parameter) -> bool:
        """Return whether this process's part of a weight's gradient is finite."""
        return weight.grad is None or bool(torch.isfinite(_local(weight.grad)).all())

    def gather(
        self, weights: Mapping[str, torch.nn.Parameter], *, keep: bool
    ) -> dict[str, torch.Tensor]:
        """Return whole weights in main memory; all processes must ask. See `Sharing.gather`."""
        found = {}
        for name, weight in weights.items():
            value = weight.detach()
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            if keep:
                found[name] = whole.cpu()
        return found


def decoder_layers(model: Any) -> list[Any]:
    """Return a model's decoder layers, the first one first.

    Args:
        model: A Llama, or one with adapters on it.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return list(base.model.layers)


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
