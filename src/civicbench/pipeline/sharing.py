"""Several processes for one evaluation, as `torchrun` starts them."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from civicbench.core.workspace import Workspace

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks


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
        serve(ranks, workspace=workspace)
        yield ranks
        return
    yield ranks
    # Not after an error: torchrun ends the others when this process ends with one.
    ranks.tell({"do": "stop"})
