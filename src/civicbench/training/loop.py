"""The training loop: optimiser steps over packed rows, the same on one process or many.

A step takes its rows, computes their loss in one or more forward passes, adds the gradients of all
processes, and moves the weights. Its random numbers (dropout) are drawn from the run's seed, the
step and the process, so that nothing about them has to be kept to go on later.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from civicbench.core.errors import WorkFailedError
from civicbench.core.ranks import Ranks
from civicbench.models.loading import choose_device, torch_precision
from civicbench.training.distributed.sharing import Sharing
from civicbench.training.kernels import use_liger, uses_liger
from civicbench.training.low_rank import join_adapter_products
from civicbench.training.objectives import Objective
from civicbench.training.optimising import learning_rate, set_learning_rate
from civicbench.training.ordering import StepOrder, even_passes, share_out, split_passes
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
        sharing: How they share the model; a copy in each where None.
        spread: Whether the model's layers are spread over several devices.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        model: "PeftModel | PreTrainedModel",
        *,
        objective: Objective,
        ranks: Ranks,
        sharing: Sharing | None = None,
        spread: bool = False,
    ) -> None:
        self.objective = objective
        self.ranks = ranks
        self.sharing = sharing or Sharing(ranks)
        self.order = StepOrder(
            len(objective.lengths),
            batch_size_rows=settings.batch_size_rows,
            epochs=settings.epochs,
            seed=settings.seed,
        )
        self._settings = settings
        self._device = torch.device(choose_device())
        if settings.method == "lora" and not spread and self.sharing.joins_products:
            join_adapter_products(model)
        self._prepare(model)
        # Counted before it is shared out: DeepSpeed leaves each process an empty weight.
        self.trained_numbers = sum(w.numel() for w in model.parameters() if w.requires_grad)
        shared = self.sharing.share(model, settings=settings)
        self.trained_model = model
        self.model, self.weights, self.optimiser = shared.model, shared.weights, shared.optimiser

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
        shares = share_out(rows, lengths=self.objective.lengths, shares=self.ranks.size)
        passes = self._own_passes(shares, objective=self.objective)
        weight = sum(self.objective.weights[row] for row in rows)
        self.optimiser.zero_grad(set_to_none=True)
        torch.manual_seed(self._seed_of(step))
        loss = torch.zeros((), dtype=torch.float64)
        for place, rows_of_pass in enumerate(passes, start=1):
            with self.autocast():
                part = self._loss(self.objective, rows_of_pass, of=rows) / weight
            self.sharing.backward(part, last=place == len(passes))
            loss += part.detach().double().cpu()
        loss, stop = self.sharing.exchange(self.weights, loss, stop_asked=stop_asked)
        if not torch.isfinite(loss):
            raise WorkFailedError(
                "the loss is not finite, so training stopped before it spoilt the weights",
                where=f"step {step + 1}",
                got=str(loss.item()),
                remedy=_ODD_ROWS,
            )
        norm = self.sharing.clip(self.weights.values(), self._settings.maximum_gradient_norm)
        if not torch.isfinite(norm):
            raise WorkFailedError(
                "a gradient is not finite, so training stopped before it spoilt the weights",
                where=f"step {step + 1}",
                got=self._broken_gradient(),
                remedy=_ODD_ROWS,
            )
        rate = learning_rate(self._settings, step=step, steps=self.order.steps)
        set_learning_rate(self.optimiser, rate)
        self.sharing.step(self.optimiser)
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
        for start in range(0, len(chunks), self.ranks.size):
            shares = chunks[start : start + self.ranks.size]
            shares += [[] for _ in range(self.ranks.size - len(shares))]
            for rows in self._own_passes(shares, objective=objective):
                with torch.no_grad(), self.autocast():
                    loss = self._loss(objective, rows, of=shares[0])
                total += loss.double().cpu()
        self.ranks.add(total)
        return float(total) / sum(objective.weights)

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute matrix products in the settings' precision until the block ends."""
        with torch.autocast(
            self._device.type,
            dtype=torch_precision("bfloat16"),
            enabled=self._settings.precision == "bfloat16" and self.sharing.casts,
        ):
            yield

    def _prepare(self, model: "PeftModel | PreTrainedModel") -> None:
        """Let the base read packed rows, with the kernels and the memory that the settings ask."""
        base: Any = model.get_base_model() if self._settings.method == "lora" else model
        if uses_liger(self._settings, on_gpu=self._device.type == "cuda"):
            use_liger(base)
        base.set_attn_implementation(PACKED_ATTENTION)
        base.config.use_cache = False
        if self._settings.gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})

    def _own_passes(
        self, shares: Sequence[list[int]], *, objective: Objective
    ) -> Sequence[list[int]]:
        """Return this process's rows in forward passes.

        Where each process holds a part of the model, all take as many passes, since each of them
        has the others fetch its layers: a pass without rows is an empty list.
        """
        own = shares[self.ranks.rank]
        least, limit = self._settings.gradient_accumulation_steps, self._settings.micro_batch_tokens
        if self.sharing.in_step:
            return even_passes(shares, lengths=objective.lengths, least=least, limit_tokens=limit)[
                self.ranks.rank
            ]
        if not own:
            return []
        return split_passes(own, lengths=objective.lengths, least=least, limit_tokens=limit)

    def _loss(
        self, objective: Objective, rows: Sequence[int], *, of: Sequence[int]
    ) -> torch.Tensor:
        """Return the summed loss of rows.

        Without rows it is nothing times the loss of the shortest row of those that all share: the
        process computes beside the others, and adds nothing.
        """
        if rows:
            return objective.loss(self.model, rows, device=self._device)
        shortest = min(of, key=lambda row: objective.lengths[row])
        return 0.0 * objective.loss(self.model, [shortest], device=self._device)

    def _seed_of(self, step: int) -> int:
        entropy = np.random.SeedSequence([self._settings.seed, step, self.ranks.rank])
        return int(entropy.generate_state(1, np.uint64)[0] >> 1)

    def _broken_gradient(self) -> str:
        for name, weight in self.weights.items():
            if not self.sharing.is_finite(weight):
                return name
        return "their norm"
