"""What training lowers: the loss of answers, or of preferring one answer to another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as functional

from civicbench.training.examples import (
    Example,
    PreferencePair,
    TrainingRows,
    conversations_in,
    rows_of_kind,
)
from civicbench.training.ordering import rounded_tokens
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
        packed = _pack([self._examples[row] for row in rows], share=self._share, device=device)
        return functional.cross_entropy(
            answer_logits(model, packed), packed.targets, reduction="sum"
        )


class PreferenceLoss:
    """Direct preference optimisation (arXiv 2305.18290, equation 7), in nats a pair.

    The reference is the base itself: the same model with its adapter switched off, so that no
    second copy is held. Both answers of a pair, and all pairs of a pass, are one packed sequence.

    Args:
        pairs: The rows.
        share_beginning: Compute once what all conversations of a pass begin with.
        beta: How strongly the model is held to its reference.
    """

    def __init__(
        self, pairs: Sequence[PreferencePair], *, share_beginning: bool, beta: float
    ) -> None:
        self._pairs = pairs
        self._share = share_beginning
        self._beta = beta
        self.lengths: Sequence[int] = [pair.length for pair in pairs]
        self.weights: Sequence[int] = [1] * len(pairs)

    def loss(self, model: Any, rows: Sequence[int], *, device: torch.device) -> torch.Tensor:
        """Return the summed loss of the pairs; log 2 each where the adapter does nothing."""
        examples = conversations_in([self._pairs[row] for row in rows])
        packed = _pack(examples, share=self._share, device=device)
        answers = [len(example.rendered.completion_ids) for example in examples]
        with torch.no_grad(), model.disable_adapter():
            reference = _answer_log_likelihoods(model, packed, answers)
        gained = _answer_log_likelihoods(model, packed, answers) - reference
        chosen, rejected = gained[0::2], gained[1::2]
        return -functional.logsigmoid(self._beta * (chosen - rejected)).sum()


def _pack(examples: Sequence[Example], *, share: bool, device: torch.device) -> PackedRows:
    packed = pack_rows(examples, share_beginning=share)
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        packed = packed.filled_up(rounded_tokens(packed.input_ids.shape[1]))
    return packed.to(device)


def _answer_log_likelihoods(model: Any, rows: PackedRows, answers: Sequence[int]) -> torch.Tensor:
    """Return the log-likelihood of each conversation's answer, in nats, of shape [rows]."""
    tokens = -functional.cross_entropy(answer_logits(model, rows), rows.targets, reduction="none")
    return torch.stack([part.sum() for part in torch.split(tokens, list(answers))])


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


def build_objective(settings: "TrainingSettings", rows: TrainingRows) -> Objective:
    """Return the loss that the settings ask for, over rows.

    Args:
        settings: The training settings.
        rows: Training or held-out rows, of the kind that the objective takes.
    """
    share = settings.dropout == 0
    if settings.preference_beta is None:
        return AnswerLoss(rows_of_kind(rows, Example), share_beginning=share)
    return PreferenceLoss(
        rows_of_kind(rows, PreferencePair), share_beginning=share, beta=settings.preference_beta
    )
