"""What training lowers: the loss of answers, or of preferring one answer to another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as functional

from civicbench.training.examples import Example
from civicbench.training.packing import PackedRows, pack_rows

if TYPE_CHECKING:
    from civicbench.training.settings import TrainingSettings


class Objective(Protocol):
    """A loss over rows.

    Attributes:
        lengths: Tokens that each row takes in a forward pass.
        weights: What each row counts in the mean: its trained tokens, or 1 for a pair.
    """

    lengths: Sequence[int]
    weights: Sequence[int]

    def loss(self, model: Any, rows: Sequence[int], *, device: torch.device) -> torch.Tensor:
        """Return the summed loss of rows: their weights times their mean losses.

        Args:
            model: The model, ready to read packed rows.
            rows: Positions of the rows.
            device: Where the model's first layer stands.
        """
        ...


class AnswerLoss:
    """Supervised fine-tuning: cross-entropy of the answers' tokens.

    The same function as TRL's `SFTTrainer` computes, with the output head only where a token is
    trained on.

    Args:
        examples: The rows.
        share_beginning: Compute once what all rows of a pass begin with.
    """

    def __init__(self, examples: Sequence[Example], *, share_beginning: bool) -> None:
        self._examples = examples
        self._share = share_beginning
        self.lengths: Sequence[int] = [example.length for example in examples]
        self.weights: Sequence[int] = [len(example.rendered.completion_ids) for example in examples]

    def loss(self, model: Any, rows: Sequence[int], *, device: torch.device) -> torch.Tensor:
        """Return the summed cross-entropy of the rows' trained tokens, in nats."""
        packed = pack_rows([self._examples[row] for row in rows], share_beginning=self._share)
        packed = packed.to(device)
        return functional.cross_entropy(
            answer_logits(model, packed), packed.targets, reduction="sum"
        )


def answer_logits(model: Any, rows: PackedRows) -> torch.Tensor:
    """Return float32 logits at the places that predict a trained token, [trained, vocabulary].

    Args:
        model: The model, ready to read packed rows.
        rows: The rows, on the model's device.
    """
    logits: torch.Tensor = model(
        input_ids=rows.input_ids,
        position_ids=rows.position_ids,
        use_cache=False,
        logits_to_keep=rows.predicting,
        segments=rows.segments,
    ).logits[0]
    return logits.float()


def build_objective(settings: "TrainingSettings", rows: Sequence[Example]) -> Objective:
    """Return the loss that the settings ask for, over rows.

    Args:
        settings: The training settings.
        rows: Training or held-out rows.
    """
    return AnswerLoss(rows, share_beginning=settings.dropout == 0)
