import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from tests.registry import workers
from tests.registry.load import run_load

from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry

# Never forked from here: other tests may have left threads behind.
PROCESSES = multiprocessing.get_context("spawn")
LIMIT_S = 120


def run_to_the_end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT_S)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_processes_that_start_and_register_at_once_agree(
    workspace: Workspace, tmp_path: Path
) -> None:
    """The first start, the same version and different versions, all at the same moment."""
    barrier = PROCESSES.Barrier(3)
    seeds = [[0, 1, 2, 3], [0, 1, 4, 5], [5, 4, 0, 6]]
    run_to_the_end(
        [
            PROCESSES.Process(
                target=workers.register_seeds,
                args=(str(workspace.home),),
                kwargs={"files": str(tmp_path / "files"), "seeds": own, "barrier": barrier},
            )
            for own in seeds
        ]
    )
    with Registry.open(workspace) as registry:
        sound = registry.verify()
        assert (sound.events, sound.versions) == (7, 7)
        assert sorted(version.number for version in registry.list_versions()) == list(range(1, 8))


@pytest.mark.parametrize("worker", [workers.kill_at_every_step, workers.kill_first_start])
def test_a_killed_process_leaves_a_sound_registry(
    registry: Registry, workspace: Workspace, tmp_path: Path, worker: Callable[..., None]
) -> None:
    registry.close()
    run_to_the_end(
        [
            PROCESSES.Process(
                target=worker,
                args=(str(workspace.home),),
                kwargs={"files": str(tmp_path / "files")},
            )
        ]
    )


@pytest.mark.slow
def test_processes_killed_at_random_moments_lose_and_double_nothing(
    registry: Registry, workspace: Workspace, tmp_path: Path
) -> None:
    registry.close()
    chance = random.Random(0)

    def start() -> BaseProcess:
        process = PROCESSES.Process(
            target=workers.register_and_read_forever,
            args=(str(workspace.home),),
            kwargs={"files": str(tmp_path / "files"), "seed": chance.randrange(1 << 30)},
        )
        process.start()
        return process

    running = [start() for _ in range(4)]
    kills = 0
    end = time.monotonic() + 60
    while time.monotonic() < end:
        chosen = chance.randrange(len(running))
        running[chosen].join(chance.uniform(0.5, 2.5))  # returns early if the process failed
        assert running[chosen].exitcode is None
        running[chosen].kill()
        running[chosen].join()
        kills += 1
        running[chosen] = start()
    for process in running:
        process.kill()
        process.join()
    with Registry.open(workspace) as opened:
        sound = opened.verify()
        versions = opened.list_versions()
    assert kills > 20
    assert sound.events == sound.versions == len(versions) > 50
    assert sorted(version.number for version in versions) == list(range(1, len(versions) + 1))


def test_processes_killed_while_they_review_lose_and_double_nothing(
    bare_workspace: Workspace,
) -> None:
    """A short form of `benchmarks/registry.py`, on both databases."""
    outcome = run_load(bare_workspace, seconds=4, processes=3)
    assert outcome.figures["kills"] >= 2
    assert outcome.figures["events"] > 15


@pytest.mark.slow
def test_eight_processes_killed_while_they_review_lose_and_double_nothing(
    bare_workspace: Workspace,
) -> None:
    outcome = run_load(bare_workspace, seconds=15, processes=8)
    assert outcome.figures["kills"] >= 5
    assert outcome.figures["decisions"] > 0
