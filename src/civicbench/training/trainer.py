"""TRL's trainer with our order of rows, our checks and our metrics file."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback
from trl import SFTTrainer

from civicbench.core.errors import WorkFailedError
from civicbench.core.progress import Advance
from civicbench.training.checkpoints import mark_whole
from civicbench.training.examples import IGNORED_LABEL
from civicbench.training.ordering import LengthGroupedOrder

if TYPE_CHECKING:
    from civicbench.training.tracking import Tracker

METRICS_NAME = "metrics.jsonl"


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's SFT trainer on rows that come rendered, in an order that survives a resume.

    Args:
        order: Deals the rows.
        held_out_row_tokens: Mean number of trained tokens of a held-out row.
        arguments: Everything that TRL's trainer takes, by name.
    """

    def __init__(
        self, *, order: LengthGroupedOrder, held_out_row_tokens: float, **arguments: Any
    ) -> None:
        self._order = order
        self._held_out_row_tokens = held_out_row_tokens
        super().__init__(**arguments)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedOrder:
        return self._order

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        """Return the mean cross-entropy over the tokens that are trained on.

        The same function as TRL's own loss, with the output head applied only at positions that
        have a label: TRL's head runs over every position, which on a CPU takes most of a step.

        Args:
            model: The model.
            inputs: `input_ids`, `attention_mask` and `labels` of shape [rows, tokens].
            return_outputs: Not supported; nothing here asks for logits.
            num_items_in_batch: Tokens with a label in the whole optimiser step.
        """
        if return_outputs:
            raise ValueError("this trainer computes losses only")
        unwrapped = self.accelerator.unwrap_model(model)
        hidden = unwrapped.get_decoder()(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            use_cache=False,
        ).last_hidden_state[:, :-1]
        targets = inputs["labels"][:, 1:]
        trained = targets != IGNORED_LABEL
        logits = unwrapped.get_output_embeddings()(hidden[trained]).float()
        total = torch.nn.functional.cross_entropy(logits, targets[trained], reduction="sum")
        count = trained.sum() if num_items_in_batch is None else num_items_in_batch
        return total / count

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor, None, None]:
        """Return a held-out batch's loss, such that their mean over rows is the mean over tokens.

        The trainer weights batches by their rows, which would count the tokens of short answers
        for more.
        """
        inputs = self._prepare_inputs(inputs)
        tokens = len(inputs["input_ids"]) * self._held_out_row_tokens
        with torch.no_grad(), self.compute_loss_context_manager():
            loss = self.compute_loss(model, inputs, num_items_in_batch=tokens)
        return loss.detach(), None, None

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        """Take one forward and backward pass, and stop at the first loss that is not finite.

        Raises:
            WorkFailedError: The loss is NaN or infinite; no optimiser step was taken with it.
        """
        loss: torch.Tensor = super().training_step(*arguments, **named)
        if not torch.isfinite(loss):
            raise WorkFailedError(
                "the loss is not finite, so training stopped before it spoilt the adapter",
                where=f"step {self.state.global_step + 1}",
                got=str(loss.item()),
                remedy="lower training.learning_rate, or look for odd rows in the dataset",
            )
        return loss


class ProgressCallback(TrainerCallback):  # type: ignore[misc]
    """Writes metrics as they come, marks whole checkpoints and moves the progress bar.

    Args:
        folder: Where the metrics file goes.
        advance: Moves the progress bar.
        tokens_per_step: Mean number of tokens of an optimiser step.
        held_out_every_steps: Optimiser steps between two held-out losses; None for none.
        trackers: Are told of metrics too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        advance: Advance,
        tokens_per_step: float,
        held_out_every_steps: int | None,
        trackers: Sequence["Tracker"],
    ) -> None:
        self._metrics = folder / METRICS_NAME
        self._advance = advance
        self.tokens_per_step = tokens_per_step
        self._held_out_every = held_out_every_steps
        self._trackers = trackers
        self.started = time.monotonic()
        self.first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock; a resumed run starts where its checkpoint stands."""
        self.started = time.monotonic()
        self.first_step = state.global_step
        self._advance(state.global_step)
        self._write(state.log_history)

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, *, model: torch.nn.Module, **_: Any
    ) -> None:
        """Stop before a gradient that is not finite reaches the weights: its loss may look sound.

        Raises:
            WorkFailedError: A gradient is NaN or infinite.
        """
        for name, weight in model.named_parameters():
            if weight.grad is not None and not torch.isfinite(weight.grad).all():
                raise WorkFailedError(
                    "a gradient is not finite, so training stopped before it spoilt the adapter",
                    where=f"step {state.global_step + 1}",
                    got=name,
                    remedy="lower training.learning_rate, or look for odd rows in the dataset",
                )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the progress bar; at an epoch's last step, ask for the held-out loss.

        Transformers itself would take it after that step's checkpoint was saved: a run that went
        on from there would lack the loss, and the random numbers that taking it drew.
        """
        self._advance(1)
        every = self._held_out_every
        if every and (state.global_step % every == 0 or state.global_step == state.max_steps):
            control.should_evaluate = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Add a line to the metrics file, and tell trackers."""
        self._write(state.log_history)
        for tracker in self._trackers:
            tracker.log(curve_values(logs), step=state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint that was just written as whole."""
        mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def _write(self, history: Sequence[dict[str, float]]) -> None:
        points = [{"step": e["step"], **values} for e in history if (values := curve_values(e))]
        self._metrics.write_text("".join(json.dumps(point) + "\n" for point in points))


def curve_values(entry: dict[str, float]) -> dict[str, float]:
    """Return those values of a log entry that depend on the work alone, not on the clock."""
    names = ("loss", "eval_loss", "learning_rate", "grad_norm")
    return {n: float(entry[n]) for n in names if n in entry and math.isfinite(float(entry[n]))}
