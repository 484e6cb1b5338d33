"""One attempt at a run: from its last checkpoint to its end, or to where it has to stop."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from civicbench.core.errors import InvalidInputError, StoppedError, WorkFailedError
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.training.checkpoints import BEST, CHECKPOINT, Checkpoints, is_whole
from civicbench.training.loop import StepResult, TrainingLoop
from civicbench.training.objectives import Objective
from civicbench.training.record import CurvePoint
from civicbench.training.settings import TrainingSettings
from civicbench.training.state import (
    RunState,
    differences,
    read_state,
    restore_loop,
    restore_weights,
    write_state,
    write_weights,
)
from civicbench.training.stopping import StopSignals
from civicbench.training.tracking import Tracker

METRICS_NAME = "metrics.jsonl"
# A run has diverged when the mean of so many losses in turn is so far above that of its first ones.
_DIVERGENCE_STEPS = 10
_DIVERGENCE_FACTOR = 1.5
_DIVERGENCE_NATS = 1.0


class Attempt:
    """Takes a run's steps and keeps what it needs to go on later.

    Args:
        settings: The training settings.
        loop: Takes the steps.
        held_out: The loss over held-out rows; None where there are none.
        run: What the run is of, by name.
        folder: Gets the metrics file.
        checkpoints: Where checkpoints stand.
        reporter: Shows progress.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        loop: TrainingLoop,
        *,
        held_out: Objective | None,
        run: Mapping[str, str],
        folder: Path,
        checkpoints: Path,
        reporter: Reporter,
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._held_out = held_out
        self._metrics = folder / METRICS_NAME
        writers = loop.ranks if loop.sharing.in_step else None
        self._checkpoints = Checkpoints(
            checkpoints, kept=settings.checkpoints_kept, writers=writers
        )
        self._reporter = reporter
        self._leads = loop.ranks.rank == 0
        self._writes = self._leads or loop.sharing.in_step
        self._state = RunState(run=dict(run))
        self._trackers: Sequence[Tracker] = ()

    def resume(self) -> int:
        """Go to the last whole checkpoint, where there is one.

        Returns:
            The steps that it holds; 0 for a start from nothing.

        Raises:
            InvalidInputError: It is of a run with other settings, base or data.
        """
        found = self._checkpoints.newest_whole(reporter=self._reporter)
        self._agree_on(0 if found is None else read_state(found).steps)
        if found is None:
            return 0
        state = read_state(found)
        apart = differences(self._state.run, state.run)
        if apart:
            raise InvalidInputError(
                "the checkpoint belongs to another run",
                where=str(found),
                got="; ".join(apart),
                remedy="undo the change, or remove the checkpoint to start from nothing",
            )
        restore_loop(found, loop=self._loop)
        self._state = state
        self._reporter.say(f"  going on from step {state.steps} of {self._loop.order.steps}")
        return state.steps

    def _agree_on(self, steps: int) -> None:
        ranks = self._loop.ranks
        total = torch.tensor([steps], dtype=torch.int64)
        ranks.add(total)
        if int(total) != steps * ranks.size:
            raise WorkFailedError(
                "the processes of this run see different checkpoints",
                where=str(self._checkpoints.folder),
                got=f"step {steps} here",
                remedy="give all processes the same CIVICBENCH_HOME on storage that they share",
            )

    def work(self, trackers: Sequence[Tracker]) -> RunState:
        """Take all steps that are left, and put the weights in place that are to be kept.

        Args:
            trackers: Told of each step and held-out loss.

        Returns:
            Where the run ended.

        Raises:
            WorkFailedError: The loss is not finite or grows without end.
            StoppedError: A signal asked to stop; a checkpoint of the last step stands.
        """
        self._trackers = trackers
        if self._leads:
            self._begin_metrics()
        steps = self._loop.order.steps
        with (
            StopSignals() as signals,
            self._reporter.track("training", total=steps, unit="steps") as advance,
        ):
            advance(self._state.steps)
            while self._state.steps < steps and not self._stops_early():
                step = self._state.steps
                taken = self._loop.take_step(step, stop_asked=signals.noted is not None)
                self._note_step(taken)
                self._refuse_divergence()
                if self._held_out is not None and self._is_held_out_step():
                    self._note_held_out(self._loop.mean_loss(self._held_out))
                asked = taken.stop_asked
                due = self._state.steps % self._settings.checkpoint_every_steps == 0
                if self._writes and (due or asked):
                    self._save()
                if asked:
                    # The others wait until everything is kept: one that ends ends them all.
                    self._loop.ranks.meet()
                    raise self._stopped(signals)
                advance(1)
        if self._settings.keep == "best":
            self._restore_best()
        return self._state

    def _note_step(self, taken: StepResult) -> None:
        point = CurvePoint(
            step=self._state.steps + 1,
            loss=taken.loss,
            learning_rate=taken.learning_rate,
            gradient_norm=taken.gradient_norm,
        )
        self._state = self._state.model_copy(update={"curve": (*self._state.curve, point)})
        values = {"loss": taken.loss, "learning_rate": taken.learning_rate}
        self._tell({**values, "grad_norm": taken.gradient_norm})

    def _note_held_out(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise WorkFailedError(
                "the held-out loss is not finite",
                where=f"step {self._state.steps}",
                got=str(loss),
                remedy="lower training.learning_rate",
            )
        point = CurvePoint(step=self._state.steps, loss=loss)
        curve = (*self._state.held_out_curve, point)
        self._state = self._state.model_copy(update={"held_out_curve": curve})
        self._tell({"eval_loss": loss})
        is_best = self._state.best_step == self._state.steps
        if self._writes and is_best and self._settings.keep == "best":
            self._checkpoints.write(
                BEST, self._state.steps, lambda folder: write_weights(folder, loop=self._loop)
            )

    def _tell(self, values: dict[str, float]) -> None:
        """Add a line to the metrics file, and tell trackers."""
        if not self._leads:
            return
        with self._metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": self._state.steps, **values}) + "\n")
        for tracker in self._trackers:
            tracker.log(values, step=self._state.steps)

    def _begin_metrics(self) -> None:
        """Write the metrics of all steps so far: a stopped attempt may have written later ones."""
        points = [
            *((p.step, 0, _values_of(p)) for p in self._state.curve),
            *((p.step, 1, {"eval_loss": p.loss}) for p in self._state.held_out_curve),
        ]
        lines = [
            json.dumps({"step": step, **values})
            for step, _, values in sorted(points, key=lambda point: point[:2])
        ]
        write_text_whole(self._metrics, "".join(line + "\n" for line in lines))

    def _is_held_out_step(self) -> bool:
        order = self._loop.order
        every = self._settings.held_out_every_steps or order.steps_per_epoch
        return self._state.steps % every == 0 or self._state.steps == order.steps

    def _stops_early(self) -> bool:
        patience = self._settings.early_stopping_patience
        return patience is not None and self._state.held_out_since_best >= patience

    def _refuse_divergence(self) -> None:
        losses = [point.loss for point in self._state.curve]
        if len(losses) < 2 * _DIVERGENCE_STEPS:
            return
        begun = sum(losses[:_DIVERGENCE_STEPS]) / _DIVERGENCE_STEPS
        now = sum(losses[-_DIVERGENCE_STEPS:]) / _DIVERGENCE_STEPS
        if now > _DIVERGENCE_FACTOR * begun + _DIVERGENCE_NATS:
            raise WorkFailedError(
                "the loss grows instead of falling: training has diverged",
                where=f"step {self._state.steps}",
                got=f"mean loss {now:.3f} over the last {_DIVERGENCE_STEPS} steps, {begun:.3f} "
                "over the first",
                remedy="lower training.learning_rate, or raise training.warmup_share",
            )

    def _save(self) -> None:
        state = self._state
        self._checkpoints.write(
            CHECKPOINT, state.steps, lambda folder: write_state(folder, state, loop=self._loop)
        )
        if self._leads:
            self._checkpoints.prune(best_step=lambda folder: read_state(folder).best_step)

    def _stopped(self, signals: StopSignals) -> StoppedError:
        by = signals.noted.name if signals.noted is not None else "a signal to another process"
        return StoppedError(
            f"stopped by {by}; everything up to this step is kept",
            where=f"step {self._state.steps} of {self._loop.order.steps}",
            remedy="run the same command to go on from there",
        )

    def _restore_best(self) -> None:
        best = self._state.best_step
        if best is None or best == self._state.steps:
            return
        path = self._checkpoints.path(BEST, best)
        if not is_whole(path):
            raise WorkFailedError(
                "the weights with the lowest held-out loss are no longer whole",
                where=str(path),
                remedy="remove the run's checkpoints and train again",
            )
        restore_weights(path, loop=self._loop)


def _values_of(point: CurvePoint) -> dict[str, float]:
    named = {
        "loss": point.loss,
        "learning_rate": point.learning_rate,
        "grad_norm": point.gradient_norm,
    }
    return {name: value for name, value in named.items() if value is not None}
