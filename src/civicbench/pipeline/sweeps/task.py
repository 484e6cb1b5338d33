"""One run of a sweep, and its result."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.documents import read_text
from civicbench.core.errors import CivicbenchError, InvalidInputError, StoppedError
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.stages import RECORD_NAME as STAGE_RECORD
from civicbench.core.stages import StageOutput
from civicbench.core.workspace import Workspace
from civicbench.pipeline.cluster.facts import changed_facts, recipe_facts
from civicbench.pipeline.running import run_evaluation, run_training
from civicbench.pipeline.scoring import RecipeScores
from civicbench.pipeline.sharing import shared_ranks
from civicbench.pipeline.sweeps.declaring import Sweep, SweepTask, read_sweep
from civicbench.pipeline.sweeps.rule import HELD_OUT_LOSS, TRAINING_LOSS
from civicbench.recipes.loading import load_recipe
from civicbench.training.record import TrainingRecord
from civicbench.training.running import read_training_record

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks

_LAST_SHARE = 0.1


class TaskResult(BaseModel):
    """How one run of a sweep ended: `tasks/NUMBER.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    number: int
    """The run's number."""
    sweep_digest: str
    """Digest of the declaration that it ran under."""
    state: Literal["done", "failed"]
    """How it ended."""
    exit_code: int = 0
    """The code that it ended with."""
    error: str = ""
    """What went wrong."""
    measures: dict[str, float] = {}
    """What was measured, by name."""
    adapter_digest: str | None = None
    """Digest of what was trained."""
    trained_at: str | None = None
    """When its training ended, in UTC: before the declaration where it was found done."""


def result_path(folder: Path, number: int) -> Path:
    """Return where a run's result is kept."""
    return folder / "tasks" / f"{number:04d}.json"


def read_result(folder: Path, number: int, *, digest: str) -> TaskResult | None:
    """Return a run's result; None where there is none of this declaration."""
    path = result_path(folder, number)
    if not path.is_file():
        return None
    try:
        result = TaskResult.model_validate_json(read_text(path))
    except ValidationError:
        return None  # it is run again, and found done
    return result if result.sweep_digest == digest else None


def write_failure(folder: Path, task: SweepTask, *, digest: str, code: int, error: str) -> None:
    """Note that a run failed, unless it has said so itself or has ended well."""
    known = read_result(folder, task.number, digest=digest)
    if known is None:
        _write(
            folder,
            TaskResult(
                number=task.number,
                sweep_digest=digest,
                state="failed",
                exit_code=code,
                error=error,
            ),
        )


def run_task(folder: Path, number: int, *, reporter: Reporter) -> None:
    """Run one task, and keep its result.

    Args:
        folder: The sweep's folder.
        number: The task.
        reporter: Told what is going on.

    Raises:
        CivicbenchError: It failed; that is noted, unless a signal stopped it.
    """
    sweep = read_sweep(folder)
    if not 0 <= number < len(sweep.tasks):
        raise InvalidInputError(
            f"{sweep.name} has no task {number}", remedy=f"they are 0 to {len(sweep.tasks) - 1}"
        )
    task = sweep.tasks[number]
    workspace = Workspace.locate()
    with shared_ranks(workspace=workspace) as ranks:
        if ranks is not None and ranks.rank > 0:
            return
        try:
            result = _work(sweep, task, workspace=workspace, reporter=reporter, ranks=ranks)
        except StoppedError:
            raise
        except CivicbenchError as error:
            write_failure(
                folder, task, digest=sweep.digest, code=int(error.exit_code), error=str(error)
            )
            raise
        _write(folder, result)


def _work(
    sweep: Sweep,
    task: SweepTask,
    *,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None",
) -> TaskResult:
    changed = changed_facts(sweep.facts, recipe_facts(load_recipe(sweep.recipe)))
    if changed:
        raise InvalidInputError(
            "the recipe was changed after the sweep was declared",
            where=sweep.name,
            got="; ".join(changed),
            remedy="undo the change, or declare a sweep of the recipe as it is now",
        )
    recipe = load_recipe(sweep.recipe, overrides=task.overrides)
    measures: dict[str, float] = {}
    if sweep.evaluated:
        _, trained, scores = run_evaluation(
            recipe, workspace=workspace, reporter=reporter, ranks=ranks
        )
        measures |= _scored(scores)
    else:
        _, trained = run_training(recipe, workspace=workspace, reporter=reporter, ranks=ranks)
    record = read_training_record(trained.folder)
    return TaskResult(
        number=task.number,
        sweep_digest=sweep.digest,
        state="done",
        measures=_losses(record) | measures,
        adapter_digest=record.adapter_digest,
        trained_at=_finished_at(trained),
    )


def _losses(record: TrainingRecord) -> dict[str, float]:
    """Return the losses: over the last tenth of the steps, and of the weights that were kept."""
    last = record.curve[-max(1, math.ceil(_LAST_SHARE * len(record.curve))) :]
    losses = {TRAINING_LOSS: sum(point.loss for point in last) / len(last)}
    if record.held_out_curve:
        kept = [p.loss for p in record.held_out_curve if p.step == record.kept_step]
        losses[HELD_OUT_LOSS] = kept[0] if kept else record.held_out_curve[-1].loss
    return losses


def _scored(scores: RecipeScores) -> dict[str, float]:
    return {
        f"{found.suite}/{found.task}/{found.metric}": found.tuned.value
        for found in scores.tuned.comparisons
    }


def _finished_at(trained: StageOutput) -> str:
    ended = (trained.folder / STAGE_RECORD).stat().st_mtime
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ended))


def _write(folder: Path, result: TaskResult) -> None:
    text = result.model_dump_json(indent=2) + "\n"
    write_text_whole(result_path(folder, result.number), text)
