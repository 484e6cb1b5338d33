"""How the processes of a step share the model: each with a copy, or each with a part."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from civicbench.core.ranks import Ranks
from civicbench.training.optimising import build_optimiser

if TYPE_CHECKING:
    from civicbench.training.adapting import TrainableGroup
    from civicbench.training.settings import TrainingSettings


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


class Sharing:
    """A copy of the model in each process: gradients are added in one exchange a step.

    Args:
        ranks: The processes; one alone has nobody to exchange with.
    """

    in_parts = False
    """Whether a process holds a part only, so that all must compute and save in step."""
    joins_products = True
    """Whether a layer and its adapter may be computed as one product."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def share(self, model: Any) -> Any:
        """Take a model that every process has built alike; return what computes from now on."""
        return model

    def build_optimiser(
        self, groups: "list[TrainableGroup]", *, settings: "TrainingSettings"
    ) -> torch.optim.Optimizer:
        """Return the optimiser over the weights that this process moves."""
        return build_optimiser(groups, settings=settings)

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

    def part_of(self, tensor: torch.Tensor) -> Part:
        """Return what this process holds of a weight or of its optimiser's moments."""
        return Part.whole(tensor)

    def whole_of(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a whole tensor in main memory; where it is in parts, all processes must ask."""
        return tensor.detach().cpu()

    def moments_of(
        self, optimiser: torch.optim.Optimizer, weight: torch.nn.Parameter
    ) -> dict[str, torch.Tensor]:
        """Return what the optimiser keeps for a weight, by name; empty before the first step."""
        return dict(optimiser.state.get(weight, {}))

    def restore_moments(
        self,
        optimiser: torch.optim.Optimizer,
        weight: torch.nn.Parameter,
        kept: Mapping[str, Callable[..., torch.Tensor]],
    ) -> None:
        """Put back what the optimiser kept for a weight.

        Args:
            optimiser: The optimiser.
            weight: The weight.
            kept: What reads each of them, for a part that is like it.
        """
        fused = any(bool(group["fused"]) for group in optimiser.param_groups)
        state: dict[str, torch.Tensor] = {}
        for key, read in kept.items():
            if key == "step":
                # AdamW counts steps in main memory unless it is fused.
                step = read(like=Part.whole(torch.zeros(())))
                state[key] = step.to(weight.device) if fused else step
                continue
            state[key] = torch.zeros_like(weight, requires_grad=False)
            part = self.part_of(state[key])
            part.values.copy_(read(like=part))
        if state:
            optimiser.state[weight] = state


class ExchangesLossAlone(Sharing):
    """Sharing whose gradients are added while they are computed: the loss is left."""

    in_parts = True

    def exchange(
        self, weights: Mapping[str, torch.nn.Parameter], loss: torch.Tensor, *, stop_asked: bool
    ) -> tuple[torch.Tensor, bool]:
        """Add loss and wishes to stop over all processes; see `Sharing.exchange`."""
        numbers = _as_numbers(loss, stop_asked=stop_asked)
        self.ranks.add(numbers)
        return _from_numbers(numbers)


def _as_numbers(loss: torch.Tensor, *, stop_asked: bool) -> torch.Tensor:
    """Return loss and wish as float32: as two numbers the loss keeps what a float64 would."""
    high = loss.float()
    return torch.stack([high, (loss - high.double()).float(), torch.tensor(float(stop_asked))])


def _from_numbers(packed: torch.Tensor) -> tuple[torch.Tensor, bool]:
    return packed[-3].double() + packed[-2].double(), bool(packed[-1] > 0)
