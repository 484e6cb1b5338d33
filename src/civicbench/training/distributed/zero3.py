"""Weights shared out by DeepSpeed's ZeRO stage 3 (arXiv 1910.02054), in our loop and our files.

DeepSpeed holds and fetches the parts, adds gradients and moves them with AdamW. Order, learning
rates, checkpoints (safetensors, each weight whole) and the result are the loop's, as everywhere.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from civicbench.core.ranks import Ranks
from civicbench.training.adapting import trainable_groups
from civicbench.training.distributed.presets import DeepspeedZero3
from civicbench.training.distributed.sharing import (
    STEPS,
    ExchangesLossAlone,
    Part,
    ReadsPart,
    Shared,
    weights_by_name,
)
from civicbench.training.optimising import build_optimiser, set_learning_rate

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from civicbench.training.settings import TrainingSettings

_MOMENTS = ("exp_avg", "exp_avg_sq")


def deepspeed_configuration(preset: DeepspeedZero3, settings: "TrainingSettings") -> dict[str, Any]:
    """Return DeepSpeed's configuration of a run.

    Passes of a step are the loop's affair: to DeepSpeed each is a step of its own until it is told
    of the last one. In bfloat16 it computes with the adapter in bfloat16 too, and moves a copy in
    float32.

    Args:
        preset: How weights are shared out.
        settings: The training settings.
    """
    offload = {"device": "cpu", "pin_memory": True}
    stage: dict[str, Any] = {
        "stage": 3,
        "reduce_bucket_size": preset.bucket_numbers,
        "stage3_prefetch_bucket_size": preset.bucket_numbers,
        "stage3_param_persistence_threshold": preset.kept_whole_numbers,
    }
    if preset.cpu_offload:
        stage |= {"offload_param": offload, "offload_optimizer": offload}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.maximum_gradient_norm,
        "bf16": {"enabled": settings.precision == "bfloat16"},
        "zero_optimization": stage,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


class SharesWeights(ExchangesLossAlone):
    """A part of each weight in each process, by DeepSpeed.

    Args:
        ranks: The processes.
        preset: How weights are shared out.
    """

    # DeepSpeed fetches a layer's weights where that layer itself is called.
    joins_products = False
    casts = False

    def __init__(self, ranks: Ranks, *, preset: DeepspeedZero3) -> None:
        super().__init__(ranks)
        self._preset = preset
        self._engine: Any = None

    def share(
        self, model: "PeftModel | PreTrainedModel", *, settings: "TrainingSettings"
    ) -> Shared:
        """Let DeepSpeed keep this process's part of each weight; see `Sharing.share`."""
        import deepspeed

        groups = trainable_groups(model, settings)
        optimiser = build_optimiser(groups, settings=settings)
        # Some versions make room for the moments by a step without gradients: it must move nothing.
        set_learning_rate(optimiser, 0.0)
        # The processes have met already; this tells DeepSpeed of it.
        deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)
        self._engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=optimiser,
            config=deepspeed_configuration(self._preset, settings),
            dist_init_required=False,
        )
        for state in optimiser.state.values():
            state[STEPS].zero_()
        return Shared(self._engine, weights_by_name(groups), optimiser)

    @property
    def writers(self) -> Ranks | None:
        """The first process writes: what DeepSpeed shares out is gathered whole."""
        return Ranks() if self.ranks.rank == 0 else None

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """Add a forward pass's gradients; see `Sharing.backward`."""
        self._engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed takes the mean over processes; the loss is a part of the step's mean already.
        self._engine.backward(loss * self.ranks.size)

    def clip(self, weights: Iterable[torch.nn.Parameter], maximum_norm: float) -> torch.Tensor:
        """Return the gradients' norm; DeepSpeed scales them down when it moves the weights."""
        squares = torch.zeros((), dtype=torch.float64)
        for weight in weights:
            squares += _local_gradient(weight).double().square().sum().cpu()
        self.ranks.add(squares)
        return squares.sqrt()

    def is_finite(self, weight: torch.nn.Parameter) -> bool:
        """Return whether this process's part of a weight's gradient is finite."""
        return bool(torch.isfinite(_local_gradient(weight)).all())

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """Move the weights."""
        self._engine.step()

    def part_of(self, tensor: torch.Tensor) -> Part:
        """Return a whole weight in float32; all processes must ask."""
        from deepspeed.utils import safe_get_full_fp32_param

        return Part.whole(safe_get_full_fp32_param(tensor).view(tensor.ds_shape))  # type: ignore[attr-defined]

    def put_back(self, weight: torch.nn.Parameter, read: ReadsPart) -> None:
        """Replace a weight by what was kept of it, in what computes and in what is moved."""
        import deepspeed
        from deepspeed.utils import safe_set_local_fp32_param

        kept = read(self.part_of(weight))
        with deepspeed.zero.GatheredParameters([weight], modifier_rank=0), torch.no_grad():
            weight.copy_(kept)
        safe_set_local_fp32_param(weight, self._own(weight, kept))

    def gather(
        self, weights: Mapping[str, torch.nn.Parameter], *, keep: bool
    ) -> dict[str, torch.Tensor]:
        """Return whole weights in main memory; all processes must ask. See `Sharing.gather`."""
        import deepspeed

        found = {}
        for name, weight in weights.items():
            if weight.requires_grad:
                whole = self.part_of(weight).values
            else:
                with deepspeed.zero.GatheredParameters([weight]):
                    whole = weight.detach().clone()
            if keep:
                found[name] = whole.cpu()
        return found

    def moments_of(
        self, optimiser: torch.optim.Optimizer, weight: torch.nn.Parameter
    ) -> dict[str, Part]:
        """Return whole moments; all processes must ask. See `Sharing.moments_of`."""
        from deepspeed.utils import safe_get_full_optimizer_state

        shape = weight.ds_shape  # type: ignore[attr-defined]
        found = {
            key: Part.whole(safe_get_full_optimizer_state(weight, key).view(shape))
            for key in _MOMENTS
        }
        steps = next(iter(optimiser.state.values()))[STEPS]
        return {STEPS: Part.whole(steps.detach().clone().cpu()), **found}

    def put_back_moments(
        self,
        optimiser: torch.optim.Optimizer,
        weight: torch.nn.Parameter,
        kept: Mapping[str, ReadsPart],
    ) -> None:
        """Put back what the optimiser kept for a weight; see `Sharing.put_back_moments`."""
        from deepspeed.utils import safe_set_local_optimizer_state

        if not kept:
            return
        for flat in self._engine.optimizer.fp32_partitioned_groups_flat:
            if not optimiser.state[flat]:  # before the first step there is no room yet
                moments = {key: torch.zeros_like(flat) for key in _MOMENTS}
                fused = any(bool(group["fused"]) for group in optimiser.param_groups)
                steps = torch.zeros((), device=flat.device if fused else "cpu")
                optimiser.state[flat] = {STEPS: steps, **moments}
        like = self.part_of(weight)
        for key in _MOMENTS:
            safe_set_local_optimizer_state(weight, self._own(weight, kept[key](like)), key)
        steps = kept[STEPS](Part.whole(torch.zeros(())))
        for state in optimiser.state.values():
            state[STEPS].copy_(steps)

    def _own(self, weight: torch.nn.Parameter, whole: torch.Tensor) -> torch.Tensor:
        """Return this process's numbers of a whole tensor, with noughts where none are left."""
        from deepspeed.utils import safe_get_local_fp32_param

        own = torch.zeros_like(safe_get_local_fp32_param(weight))
        start = own.numel() * self.ranks.rank
        numbers = whole.flatten()[start : start + own.numel()]
        own.view(-1)[: numbers.numel()] = numbers.to(own)
        return own


def _local_gradient(weight: torch.nn.Parameter) -> torch.Tensor:
    from deepspeed.utils import safe_get_local_grad

    gradient: torch.Tensor = safe_get_local_grad(weight)
    return gradient
