"""Runs that are killed again and again, as a program of its own: python -m tests.training.killing.

    python -m tests.training.killing FOLDER PROCESSES KILLS SEED

Trains, in PROCESSES processes, a run that is killed at random moments with SIGKILL, SIGTERM or
SIGUSR1 until there were KILLS kills (in as many runs as that takes), and prints one line of JSON.
Processes are forked, so that a kill costs no start of an interpreter.
"""

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

from tests.models.factory import QUIET, prepare_tiny
from tests.training.factory import make_examples, make_inputs, make_settings

from civicbench.core.errors import CivicbenchError
from civicbench.core.ranks import Ranks
from civicbench.models import loading
from civicbench.models.rendering import load_renderer
from civicbench.training.adapting import build_trainable_model
from civicbench.training.inputs import TrainingInputs
from civicbench.training.running import train

loading.usable_cores = lambda: 1
SETTINGS = make_settings(
    dropout=0.2, epochs=6, batch_size_rows=4, checkpoint_every_steps=3, keep="best",
    held_out_every_steps=5, checkpoints_kept=2,
)  # fmt: skip
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)


def attempt(inputs: TrainingInputs, folder: Path, *, rank: int, size: int, port: int) -> None:
    """Train in this process and end it."""
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    try:
        train(SETTINGS, inputs, folder=folder, reporter=QUIET, trackers=tuple, ranks=Ranks.join())
    except CivicbenchError as error:
        (folder / f"error-{rank}").write_text(str(error))
        os._exit(int(error.exit_code))
    except BaseException:
        (folder / f"error-{rank}").write_text(traceback.format_exc())
        os._exit(99)
    os._exit(0)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(inputs: TrainingInputs, folder: Path, *, size: int) -> list[int]:
    folder.mkdir(parents=True, exist_ok=True)
    port, found = free_port(), []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            attempt(inputs, folder, rank=rank, size=size, port=port)
        found.append(child)
    return found


def wait(children: list[int]) -> list[int]:
    """Return how each process ended: its exit code, or a signal's number below zero."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def begun_at(place: Path) -> int:
    """Return when the last attempt wrote its metrics anew: when its first step began."""
    metrics = place / "metrics.jsonl"
    return metrics.stat().st_ctime_ns if metrics.exists() else 0


def wait_for_begin(place: Path, *, before: int) -> None:
    """Wait until training itself begins, or a process has ended."""
    while begun_at(place) == before:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            return
        time.sleep(0.002)


def main() -> None:
    folder, size, kills, seed = Path(sys.argv[1]), *map(int, sys.argv[2:])
    draw = random.Random(seed)
    prepared = prepare_tiny(folder / "home")
    renderer = load_renderer(prepared)
    inputs = make_inputs(prepared, renderer, rows=28, held_out=make_examples(renderer, rows=3))
    build_trainable_model(SETTINGS, prepared, spread=False)  # everything is imported before forks

    children = start(inputs, folder / "whole", size=size)
    wait_for_begin(folder / "whole", before=0)
    begun = time.monotonic()
    assert wait(children) == [0] * size
    whole_s = time.monotonic() - begun

    ended: list[dict[str, object]] = []
    runs = 0
    while len(ended) < kills:
        runs += 1
        place = folder / f"run-{runs}"
        while True:
            before = begun_at(place)
            children = start(inputs, place, size=size)
            number = draw.choice(SIGNALS)
            chosen = draw.randrange(size)
            if len(ended) < kills:
                if draw.random() < 0.8:
                    wait_for_begin(place, before=before)
                time.sleep(draw.uniform(0, 0.7) * whole_s)
                # It may have ended by itself by now: then nobody is hit.
                hit = os.waitpid(children[chosen], os.WNOHANG) == (0, 0)
                if hit:
                    os.kill(children[chosen], number)
                    codes = wait(children)
                else:
                    codes = [0, *wait([c for i, c in enumerate(children) if i != chosen])]
                if hit and codes != [0] * size:
                    ended.append({"signal": number.name, "rank": chosen, "codes": codes})
            else:
                codes = wait(children)
            if codes == [0] * size:
                break
            known = {0, 1, 75, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR1}
            if not set(codes) <= known:
                errors = [path.read_text() for path in sorted(place.glob("error-*"))]
                raise SystemExit(f"ended with {codes}: {errors}")
            for path in place.glob("error-*"):
                path.unlink()
    print(json.dumps({"runs": runs, "ended": ended}))


if __name__ == "__main__":
    main()
