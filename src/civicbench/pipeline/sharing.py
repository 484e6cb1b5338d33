"""Several processes for one run, as `torchrun` starts them."""

import contextlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicbench.core.errors import WorkFailedError
from civicbench.core.progress import SilentReporter
from civicbench.core.workspace import Workspace

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks

# Storage over a network may show a new folder only after some seconds.
_SEEN_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.5


@contextlib.contextmanager
def shared_ranks(*, workspace: Workspace) -> "Iterator[Ranks | None]":
    """Give the processes that share the work; None where this one is alone.

    In every process but the first, the block begins when all the work is done.

    Args:
        workspace: Where models stand; the same for all processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield None
        return
    from civicbench.core.ranks import Ranks
    from civicbench.evaluation.scorer.serving import serve

    ranks = Ranks.join()
    if ranks.rank > 0:
        train = partial(_join_training, ranks=ranks, workspace=workspace)
        serve(ranks, workspace=workspace, others={"train": train})
        yield ranks
        return
    yield ranks
    # Not after an error: torchrun ends the others when this process ends with one.
    ranks.tell({"do": "stop"})


def _join_training(message: Any, *, ranks: "Ranks", workspace: Workspace) -> None:
    """Train beside the first process, which has made all inputs ready."""
    from civicbench.pipeline.inputs import prepare_inputs
    from civicbench.pipeline.running import training_inputs
    from civicbench.recipes.loading import load_recipe
    from civicbench.training.running import train

    _require_shared(Path(message["folder"]), workspace=workspace)
    recipe = load_recipe(message["recipe"], overrides=message["overrides"])
    reporter = SilentReporter()
    inputs = prepare_inputs(recipe, workspace=workspace, reporter=reporter)
    train(
        recipe.training,
        training_inputs(inputs),
        folder=Path(message["folder"]),
        reporter=reporter,
        trackers=tuple,
        ranks=ranks,
    )


def _require_shared(folder: Path, *, workspace: Workspace) -> None:
    """Refuse to train where this process does not see what the first one made for the run.

    Raises:
        WorkFailedError: The workspaces are not one.
    """
    until = time.monotonic() + _SEEN_WITHIN_S
    while not folder.is_dir():
        if time.monotonic() > until:
            raise WorkFailedError(
                "the first process's folder of this run does not stand here",
                where=str(folder),
                got=f"this process's workspace is {workspace.home}",
                remedy="give all processes the same CIVICBENCH_HOME on storage that they share",
            )
        time.sleep(_LOOK_EVERY_S)
