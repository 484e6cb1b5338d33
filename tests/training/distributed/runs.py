"""Runs shared by several processes, as a program: python -m tests.training.distributed.runs.

    python -m tests.training.distributed.runs FOLDER [--deepspeed]

Reads pieces of work from standard input, one JSON object a line, does each, and prints how its
processes ended. Processes are forked, so that a piece costs no start of an interpreter.

A piece has a `name` (its folder's), `processes` and `settings`; `stop_after` has the last process
get a signal after so many steps; `goes_on` names the piece whose folder it begins with.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.distributed.fsdp  # noqa: F401 (before processes are forked)
from tests.models.factory import QUIET, prepare_tiny
from tests.training.factory import ANSWERS, conversation, make_examples, make_inputs, make_settings

from civicbench.core.errors import CivicbenchError
from civicbench.core.ranks import Ranks
from civicbench.launch.local import group_here
from civicbench.models import loading
from civicbench.models.rendering import ChatRenderer, load_renderer
from civicbench.training import attempt as attempts
from civicbench.training.distributed import fsdp2  # noqa: F401
from civicbench.training.examples import PreferencePair, render_pairs
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import train

loading.usable_cores = lambda: 1


def stop_after(steps: int) -> None:
    """Send this process a scheduler's signal once it has taken some steps."""
    note = attempts.Attempt._note_step

    def noting(self: attempts.Attempt, taken: Any) -> None:
        note(self, taken)
        if self._state.steps == steps:
            os.kill(os.getpid(), signal.SIGUSR1)

    attempts.Attempt._note_step = noting  # type: ignore[method-assign]


def make_pairs(renderer: ChatRenderer) -> list[PreferencePair]:
    rows = [
        (f"row-{n}", conversation("Colour? " * (1 + n % 3), ANSWERS[n % 5]), "worse" + " yet" * n)
        for n in range(8)
    ]
    return render_pairs(rows, renderer=renderer, max_length_tokens=512, context_length_tokens=2048)


def work(piece: dict[str, Any], inputs: TrainingInputs, folder: Path, *, rank: int) -> None:
    """Train in this process."""
    if piece.get("stop_after") is not None and rank == piece["processes"] - 1:
        stop_after(piece["stop_after"])
    ranks = Ranks.join()
    settings = make_settings(**piece["settings"])
    train(settings, inputs, folder=folder, reporter=QUIET, trackers=tuple, ranks=ranks)


def start(piece: dict[str, Any], inputs: TrainingInputs, folder: Path) -> list[int]:
    folder.mkdir(parents=True, exist_ok=True)
    group = group_here(piece["processes"])
    found = []
    for rank in range(piece["processes"]):
        child = os.fork()
        if child == 0:
            os.environ.update(group.variables(rank))
            code = 0
            try:
                work(piece, inputs, folder, rank=rank)
            except CivicbenchError as error:
                (folder / f"error-{rank}").write_text(str(error))
                code = int(error.exit_code)
            except BaseException:
                (folder / f"error-{rank}").write_text(traceback.format_exc())
                code = 99
            os._exit(code)
        found.append(child)
    return found


def get_deepspeed_ready() -> None:
    """Import DeepSpeed before processes are forked, and have it compile nothing."""
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def main() -> None:
    folder = Path(sys.argv[1])
    if "--deepspeed" in sys.argv:
        get_deepspeed_ready()
    prepared = prepare_tiny(folder / "home")
    renderer = load_renderer(prepared)
    inputs = make_inputs(prepared, renderer, rows=14, held_out=make_examples(renderer, rows=5))
    pairs = replace(inputs, train=make_pairs(renderer), held_out=make_pairs(renderer)[:3])
    for line in sys.stdin:
        piece = json.loads(line)
        place = folder / piece["name"]
        if "goes_on" in piece:
            shutil.copytree(folder / piece["goes_on"], place)
        prefers = piece["settings"].get("objective") == "dpo"
        children = start(piece, pairs if prefers else inputs, place)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        errors = {path.name: path.read_text() for path in sorted(place.glob("error-*"))}
        print(json.dumps({"name": piece["name"], "codes": codes, "errors": errors}), flush=True)


if __name__ == "__main__":
    main()
