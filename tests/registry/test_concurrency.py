import multiprocessing
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


def name_database(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes use the same database."""
    if workspace.registry is not None:
        monkeypatch.setenv("CIVICBENCH_REGISTRY_URL", workspace.registry)


def run_to_the_end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT_S)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_processes_that_start_and_register_at_once_agree(
    bare_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start, the same version and different versions, all at the same moment."""
    workspace = bare_workspace
    name_database(workspace, monkeypatch)
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


@pytest.mark.parametrize(
    ("worker", "backend"),
    [
        (workers.kill_at_every_step, "sqlite"),
        pytest.param(workers.kill_at_every_step, "postgresql", marks=pytest.mark.slow),
        (workers.kill_first_start, "sqlite"),
    ],
    indirect=["backend"],
)
def test_a_killed_process_leaves_a_sound_registry(
    registry: Registry,
    workspace: Workspace,
    tmp_path: Path,
    worker: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.close()
    name_database(workspace, monkeypatch)
    run_to_the_end(
        [
            PROCESSES.Process(
                target=worker,
                args=(str(workspace.home),),
                kwargs={"files": str(tmp_path / "files")},
            )
        ]
    )


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
