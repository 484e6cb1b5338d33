"""The training loop: optimiser steps over packed rows, the same on one process or many.

A step takes its rows, computes their loss in one or more forward passes, adds the gradients of all
processes, and moves the weights. Its random numbers (dropout) are drawn from the run's seed, the
step and the process, so that nothing about them has to be kept to go on later.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from civicbench.core.errors import WorkFailedError
from civicbench.core.ranks import Ranks
from civicbench.models.loading import torch_precision
from civicbench.training.adapting import trainable_groups
from civicbench.training.kernels import use_liger, uses_liger
from civicbench.training.low_rank import join_adapter_products
from civicbench.training.objectives import Objective
from civicbench.training.optimising import build_optimiser, learning_rate, set_learning_rate
from civicbench.training.ordering import StepOrder, share_out, split_passes
from civicbench.training.packing import PACKED_ATTENTION
from civicbench.training.settings import TrainingSettings

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_ODD_ROWS = "lower training.learning_rate, or look for odd rows in the dataset"


@dataclass(frozen=True)
class StepResult:
    """What a step came to.

    Attributes:
        loss: Mean loss of its rows before the weights moved, in nats.
        learning_rate: The rate that they moved with.
        gradient_norm: Norm of the gradient before it was clipped.
        stop_asked: Whether any process was asked to stop.
    """

    loss: float
    learning_rate: float
    gradient_norm: float
    stop_asked: bool


class TrainingLoop:
    """Takes optimiser steps.

    Args:
        settings: The training settings.
        model: What is trained.
        objective: The loss over the training rows.
        ranks: The processes that share each step.
        spread: Whether the model's layers are spread over several devices.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        model: "PeftModel | PreTrainedModel",
        *,
        objective: Objective,
        ranks: Ranks,
        spread: bool = False,
    ) -> None:
        self.model = model
        self.objective = objective
        self.ranks = ranks
        self.order = StepOrder(
            len(objective.lengths),
            batch_size_rows=settings.batch_size_rows,
            epochs=settings.epochs,
            seed=settings.seed,
        )
        self._settings = settings
        groups = trainable_groups(model, settings)
        self.weights = {name: w for group in groups for name, w in group.weights.items()}
        self.optimiser = build_optimiser(groups, settings=settings)
        self._device: torch.device = model.device
        if settings.method == "lora" and not spread:
            join_adapter_products(model)
        base: Any = model.get_base_model() if settings.method == "lora" else model
        if uses_liger(settings, on_gpu=self._device.type == "cuda"):
            use_liger(base)
        base.set_attn_implementation(PACKED_ATTENTION)
        base.config.use_cache = False
        if settings.gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})

    def take_step(self, step: int, *, stop_asked: bool) -> StepResult:
        """Move the weights by one step.

        Args:
            step: The step, counted from 0.
            stop_asked: Whether this process was asked to stop.

        Raises:
            WorkFailedError: The loss or a gradient is not finite, before the weights moved; or
                another process has gone.
        """
        self.model.train()
        rows = self.order.rows_of(step)
        own = share_out(rows, lengths=self.objective.lengths, shares=self.ranks.size)[
            self.ranks.rank
        ]
        weight = sum(self.objective.weights[row] for row in rows)
        self.optimiser.zero_grad(set_to_none=True)
        torch.manual_seed(self._seed_of(step))
        loss = torch.zeros((), dtype=torch.float64)
        for rows_of_pass in self._passes(own):
            with self.autocast():
                part = self.objective.loss(self.model, rows_of_pass, device=self._device) / weight
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.detach().double().cpu()
        loss, stop = self._add_over_ranks(loss, stop_asked=stop_asked)
        if not torch.isfinite(loss):
            raise WorkFailedError(
                "the loss is not finite, so training stopped before it spoilt the weights",
                where=f"step {step + 1}",
                got=str(loss.item()),
                remedy=_ODD_ROWS,
            )
        norm = torch.nn.utils.clip_grad_norm_(
            self.weights.values(), self._settings.maximum_gradient_norm
        )
        if not torch.isfinite(norm):
            raise WorkFailedError(
                "a gradient is not finite, so training stopped before it spoilt the weights",
                where=f"step {step + 1}",
                got=self._broken_gradient(),
                remedy=_ODD_ROWS,
            )
        rate = learning_rate(self._settings, step=step, steps=self.order.steps)
        set_learning_rate(self.optimiser, rate)
        self.optimiser.step()
        return StepResult(float(loss), rate, float(norm), stop)

    def mean_loss(self, objective: Objective) -> float:
        """Return the mean loss over all rows of an objective, without moving the weights.

        Args:
            objective: The loss over held-out rows.
        """
        self.model.eval()
        by_length = sorted(range(len(objective.lengths)), key=lambda row: objective.lengths[row])
        size = self._settings.batch_size_rows
        chunks = [by_length[i : i + size] for i in range(0, len(by_length), size)]
        total = torch.zeros((), dtype=torch.float64)
        for chunk in chunks[self.ranks.rank :: self.ranks.size]:
            for rows in self._passes(chunk, objective=objective):
                with torch.no_grad(), self.autocast():
                    loss = objective.loss(self.model, rows, device=self._device)
                total += loss.double().cpu()
        self.ranks.add(total)
        return float(total) / sum(objective.weights)

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute matrix products in the settings' precision until the block ends."""
        with torch.autocast(
            self._device.type,
            dtype=torch_precision("bfloat16"),
            enabled=self._settings.precision == "bfloat16",
        ):
            yield

    def _passes(self, rows: list[int], *, objective: Objective | None = None) -> list[list[int]]:
        if not rows:
            return []
        return split_passes(
            rows,
            lengths=(objective or self.objective).lengths,
            least=self._settings.gradient_accumulation_steps,
            limit_tokens=self._settings.micro_batch_tokens,
        )

    def _seed_of(self, step: int) -> int:
        entropy = np.random.SeedSequence([self._settings.seed, step, self.ranks.rank])
        return int(entropy.generate_state(1, np.uint64)[0] >> 1)

    def _add_over_ranks(self, loss: torch.Tensor, *, stop_asked: bool) -> tuple[torch.Tensor, bool]:
        """Add loss, gradients and wishes to stop over all processes, in one exchange."""
        if self.ranks.size == 1:
            return loss, stop_asked
        gradients = []
        for weight in self.weights.values():
            if weight.grad is None:  # this process had no row of the step
                weight.grad = torch.zeros_like(weight)
            gradients.append(weight.grad)
        own = [gradient.reshape(-1).float().cpu() for gradient in gradients]
        # As two float32 numbers the loss keeps what a float64 would.
        high = loss.float()
        tail = torch.stack([high, (loss - high.double()).float(), torch.tensor(float(stop_asked))])
        packed = torch.cat([*own, tail])
        self.ranks.add(packed)
        start = 0
        for gradient in gradients:
            end = start + gradient.numel()
            gradient.copy_(packed[start:end].view_as(gradient))
            start = end
        return packed[-3].double() + packed[-2].double(), bool(packed[-1] > 0)

    def _broken_gradient(self) -> str:
        for name, weight in self.weights.items():
            if weight.grad is not None and not torch.isfinite(weight.grad).all():
                return name
        return "their norm"
