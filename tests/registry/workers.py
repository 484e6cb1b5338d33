"""What the concurrency tests run in processes of their own."""

import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from tests.registry.factory import make_evidence, make_files

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry


def at(home: str) -> Workspace:
    """Return the workspace of a folder, with the database that the environment names."""
    return Workspace(Path(home), registry=os.environ.get("CIVICBENCH_REGISTRY_URL"))


def register_seeds(home: str, *, files: str, seeds: list[int], barrier: Barrier) -> None:
    """Open the registry at the same moment as others and register some versions."""
    barrier.wait()
    with Registry.open_or_initialise(at(home), reporter=Reporter(live=False)) as own:
        for seed in seeds:
            register_seed(own, seed=seed, files=Path(files))


def kill_at_every_step(home: str, *, files: str) -> None:
    """Register one version after another, each killed one step later than the one before.

    After each kill the registry has to be sound, and registering again has to give the version
    once. Ends with the first registration that has fewer steps than its kill would need.
    """
    workspace = at(home)
    step = 0
    finished = False
    while not finished:
        step += 1
        finished = not _killed(
            partial(_register_alone, workspace, seed=step, files=Path(files)), step=step
        )
        with Registry.open(workspace) as own:
            assert own.verify().events in (step - 1, step)
            register_seed(own, seed=step, files=Path(files))
            assert (own.head().sequence, len(own.list_versions())) == (step, step), step
    with Registry.open(workspace) as own:
        own.verify()
    assert step > 30, f"only {step} steps: the kills do not reach all of a registration"


def kill_first_start(home: str, *, files: str) -> None:
    """Kill the making of the database at some of its steps; the next start has to succeed."""
    for step in (1, 3, 9, 27, 40):
        workspace = Workspace(Path(home) / str(step))
        assert _killed(partial(_begin, workspace), step=step), step
        _begin(workspace)
        with Registry.open(workspace) as own:
            register_seed(own, seed=0, files=Path(files))
            assert own.verify().versions == 1


def register_seed(registry: Registry, *, seed: int, files: Path) -> None:
    """Register the factory's version of that seed."""
    evidence, measurements = make_evidence(seed)
    own = files / str(os.getpid())
    registry.register(evidence, measurements=measurements, files=make_files(own, seed=seed))


def _register_alone(workspace: Workspace, *, seed: int, files: Path) -> None:
    with Registry.open(workspace) as own:
        register_seed(own, seed=seed, files=files)


def _begin(workspace: Workspace) -> None:
    Registry.open_or_initialise(workspace, reporter=Reporter(live=False)).close()


def _killed(work: Callable[[], None], *, step: int) -> bool:
    """Run work in a fork that kills itself at a step; return whether it came that far."""
    child = os.fork()
    if child == 0:
        _die_at(step)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _die_at(step: int) -> None:
    """Kill this process (signal 9) at the n-th flush, rename, statement or commit from now."""
    left = step

    def tick(*_arguments: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def ticking(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            tick()
            return function(*arguments)

        return counted

    os.fsync = ticking(os.fsync)
    os.replace = ticking(os.replace)
    event.listen(Engine, "before_cursor_execute", tick)
    event.listen(Engine, "commit", tick)
