"""What an unfinished run left, and whether this one may go on from it."""

from collections.abc import Iterator
from pathlib import Path

from civicbench.core.errors import CivicbenchError, InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import CHECKPOINTS_FOLDER, facts_of
from civicbench.training.settings import TrainingSettings

# With more differences it is another piece of work, not this one changed.
_NEAR_DIFFERENCES = 4


def look_for_checkpoint(
    stage: Stage,
    settings: TrainingSettings,
    inputs: TrainingInputs,
    *,
    must_resume: bool,
    reporter: Reporter,
) -> None:
    """Say where an unfinished run of nearly the same settings stands; refuse, where asked to.

    A run goes on from its own checkpoints by itself: they stand under the digest of everything
    that shapes it.

    Args:
        stage: The training stage, which is not finished.
        settings: The training settings.
        inputs: What training reads.
        must_resume: Refuse to start from nothing.
        reporter: Told of an unfinished run that differs.

    Raises:
        InvalidInputError: There is nothing to go on from, and that was asked for.
    """
    from civicbench.training.checkpoints import Checkpoints
    from civicbench.training.state import differences

    own = Checkpoints(stage.partial / CHECKPOINTS_FOLDER, kept=1)
    if own.newest_whole(reporter=reporter) is not None:
        return
    facts = facts_of(settings, inputs)
    others = [
        (differences(facts, run), steps, folder)
        for folder, run, steps in _unfinished(stage.folder)
        if folder != stage.partial  # this run's own, of which no checkpoint is whole
    ]
    near = min(others, key=lambda other: len(other[0]), default=None)
    if near is not None and len(near[0]) > _NEAR_DIFFERENCES:
        near = None
    if must_resume:
        raise InvalidInputError(
            "there is no checkpoint of this run to go on from",
            where=str(stage.partial),
            got=f"the nearest, {near[2]} at step {near[1]}, differs: {'; '.join(near[0])}"
            if near
            else "no unfinished run that is like it",
            remedy="undo the change, or run without --resume to start from nothing",
        )
    if near is not None:
        reporter.say(
            f"  an unfinished run stands at step {near[1]} and is left alone, since it differs: "
            + "; ".join(near[0])
        )


def _unfinished(runs: Path) -> Iterator[tuple[Path, dict[str, str], int]]:
    """Yield folder, facts and steps of every unfinished run's newest checkpoint."""
    from civicbench.training.state import STATE_NAME, read_state

    for folder in sorted(runs.glob("*.partial")):
        states = sorted(folder.glob(f"{CHECKPOINTS_FOLDER}/checkpoint-*/{STATE_NAME}"))
        found = []
        for path in states:
            try:
                found.append(read_state(path.parent))
            except (CivicbenchError, ValueError):
                continue  # not whole: its own run will say so
        if found:
            newest = max(found, key=lambda state: state.steps)
            yield folder, newest.run, newest.steps
