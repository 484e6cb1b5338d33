"""How the processes of a step share the model: each with a copy, or each with a part."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from civicbench.core.ranks import Ranks
from civicbench.training.adapting import trainable_groups
from civicbench.training.optimising import build_optimiser

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from civicbench.training.adapting import TrainableGroup
    from civicbench.training.settings import TrainingSettings

STEPS = "step"
"""What AdamW calls the number of steps that it took for a weight."""


@dataclass(frozen=True)
class Part:
    """What a process holds of a tensor: some of its rows.

    Attributes:
        values: Those rows; the tensor itself where the process holds all of it.
        start: The first of them in the whole.
        rows: Rows of the whole; 0 for a tensor without rows.
    """

    values: torch.Tensor
    start: int
    rows: int

    @classmethod
    def whole(cls, tensor: torch.Tensor) -> "Part":
        """Return all of a tensor."""
        return cls(tensor.detach(), 0, tensor.shape[0] if tensor.ndim else 0)


ReadsPart = Callable[[Part], torch.Tensor]


@dataclass(frozen=True)
class Shared:
    """A model that is shared.

    Attributes:
        model: What computes.
        weights: What is trained, by name.
        optimiser: What moves this process's part of it.
    """

    model: Any
    weights: dict[str, torch.nn.Parameter]
    optimiser: torch.optim.Optimizer


class Sharing:
    """A copy of the model in each process: gradients are added in one exchange a step.

    Args:
        ranks: The processes; one alone has nobody to exchange with.
    """

    in_step = False
    """Whether all processes must compute and save in step: each has what the others need."""
    joins_products = True
    """Whether a layer and its adapter may be computed as one product."""
    reads_late = False
    """Whether each process reads its own part of the base's weights."""
    casts = True
    """Whether the loop chooses the number format of products."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def share(
        self, model: "PeftModel | PreTrainedModel", *, settings: "TrainingSettings"
    ) -> Shared:
        """Take a model that every process has built alike.

        Args:
            model: What is trained.
            settings: The training settings.
        """
        groups = trainable_groups(model, settings)
        return Shared(model, weights_by_name(groups), build_optimiser(groups, settings=settings))

    @property
    def writers(self) -> Ranks | None:
        """The processes that write a part of a checkpoint each; None where this one writes none."""
        return Ranks() if self.ranks.rank == 0 else None

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """Add a forward pass's gradients to those of the step.

        Args:
            loss: This process's part of the step's mean loss.
            last: Whether it is this process's last pass of the step.
        """
        loss.backward()  # type: ignore[no-untyped-call]

    def exchange(
        self, weights: Mapping[str, torch.nn.Parameter], loss: torch.Tensor, *, stop_asked: bool
    ) -> tuple[torch.Tensor, bool]:
        """Add loss, gradients and wishes to stop over all processes, in one exchange.

        Args:
            weights: What is trained; their gradients are replaced by the sums.
            loss: This process's part of the mean loss.
            stop_asked: Whether this process was asked to stop.

        Returns:
            The whole mean loss, and whether any process was asked to stop.

        Raises:
            WorkFailedError: Another process has gone.
        """
        if self.ranks.size == 1:
            return loss, stop_asked
        gradients = []
        for weight in weights.values():
            if weight.grad is None:  # this process had no row of the step
                weight.grad = torch.zeros_like(weight)
            gradients.append(weight.grad)
        packed = torch.cat(
            [*(gradient.reshape(-1).float().cpu() for gradient in gradients),
             _as_numbers(loss, stop_asked=stop_asked)]
        )  # fmt: skip
        self.ranks.add(packed)
        start = 0
        for gradient in gradients:
            end = start + gradient.numel()
            gradient.copy_(packed[start:end].view_as(gradient))
            start = end
        return _from_numbers(packed)

    def clip(self, weights: Iterable[torch.nn.Parameter], maximum_norm: float) -> torch.Tensor:
        """Scale gradients down to a norm where theirs is larger; return what it was."""
        return torch.nn.utils.clip_grad_norm_(list(weights), maximum_norm)

    def is_finite(self, weight: torch.nn.Parameter) -> bool:
        """Return whether this process's part of a weight's gradient is finite."""
        return weight.grad is None or bool(torch.isfinite(weight.grad).all())

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """Move the weights."""
        optimiser.step()

    def part_of(self, tensor: torch.Tensor) -> Part:
        """Return what this process holds of a weight."""
        return Part.whole(tensor)

    def put_back(self, weight: torch.nn.Parameter, read: ReadsPart) -> None:
        """Replace a weight by what was kept of it.

        Args:
            weight: The weight.
            read: Returns the rows for a part.
        """
        part = self.part_of(weight)
        with torch.no_grad():
            part.values.copy_(read(part))

    def gather(
        self, weights: Mapping[str, torch.nn.Parameter], *, keep: bool
    ) -> dict[str, torch.Tensor]:
        """Return whole weights in main memory; where they are in parts, all processes must ask.

        Args:
            weights: The weights by name.
            keep: Whether this process wants them.
        """
        return {name: weight.detach().cpu() for name, weight in weights.items()} if keep else {}

    def moments_of(
        self, optimiser: torch.optim.Optimizer, weight: torch.nn.Parameter
    ) -> dict[str, Part]:
        """Return what the optimiser keeps for a weight, by name; empty before the first step."""
        return {key: self.part_of(value) for key, value in optimiser.state.get(weight, {}).items()}

    def put_back_moments(
        self,
        optimiser: torch.optim.Optimizer,
        weight: torch.nn.Parameter,
        kept: Mapping[str, ReadsPart],
    ) -> None:
        """Put back what the optimiser kept for a weight.

        Args:
            optimiser: The optimiser.
            weight: The weight.
            kept: What returns each of them, for a part.
        """
        fused = any(bool(group["fused"]) for group in optimiser.param_groups)
        state: dict[str, torch.Tensor] = {}
        for key, read in kept.items():
            if key == STEPS:
                # AdamW counts steps in main memory unless it is fused.
                steps = read(Part.whole(torch.zeros(())))
                state[key] = steps.to(weight.device) if fused else steps
                continue
            state[key] = torch.zeros_like(weight, requires_grad=False)
            part = self.part_of(state[key])
            part.values.copy_(read(part))
        if state:
            optimiser.state[weight] = state


class ExchangesLossAlone(Sharing):
    """Sharing whose gradients are added while they are computed: the loss is left."""

    in_step = True

    def exchange(
        self, weights: Mapping[str, torch.nn.Parameter], loss: torch.Tensor, *, stop_asked: bool
    ) -> tuple[torch.Tensor, bool]:
        """Add loss and wishes to stop over all processes; see `Sharing.exchange`."""
        numbers = _as_numbers(loss, stop_asked=stop_asked)
        self.ranks.add(numbers)
        return _from_numbers(numbers)


def weights_by_name(groups: "Sequence[TrainableGroup]") -> dict[str, torch.nn.Parameter]:
    """Return the weights of all groups by name."""
    return {name: weight for group in groups for name, weight in group.weights.items()}


def _as_numbers(loss: torch.Tensor, *, stop_asked: bool) -> torch.Tensor:
    """Return loss and wish as float32: as two numbers the loss keeps what a float64 would."""
    high = loss.float()
    return torch.stack([high, (loss - high.double()).float(), torch.tensor(float(stop_asked))])


def _from_numbers(packed: torch.Tensor) -> tuple[torch.Tensor, bool]:
    return packed[-3].double() + packed[-2].double(), bool(packed[-1] > 0)
