"""Passes on several cores: a process that dies is told, and what is done alone needs none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.datasets.killing import Kill

from civicbench.core.errors import WorkFailedError
from civicbench.datasets.format import Format
from civicbench.datasets.pool import Cores
from civicbench.datasets.steps.exact_duplicates import ExactDuplicates
from civicbench.datasets.steps.filter_length import FilterLength
from civicbench.datasets.steps.step import StepContext
from civicbench.datasets.work import Batch, Item, Pass

PLAN = Pass(
    steps=((0, Kill()),),
    whole=ExactDuplicates(),
    context=StepContext(Format(user="{q}", assistant="{a}")),
    refusing=(False,),
    labels=("one",),
    checks=frozenset(),
)
QUIET = replace(PLAN, steps=((0, FilterLength(fields=("q",))),))


def batches(count: int) -> Iterator[Batch]:
    for number in range(count):
        yield [Item(0, f"one:{number}", {"q": f"{number}", "a": "x"})]


def test_a_process_that_is_killed_stops_the_work_with_a_reason() -> None:
    with (
        pytest.raises(WorkFailedError, match="a process that curates rows was killed"),
        Cores([PLAN], count=2) as cores,
    ):
        list(cores.run(0, batches(40)))


def test_processes_do_not_run_a_script_without_a_guard_again(tmp_path: Path) -> None:
    # As the entry point that some installers write: nothing asks for __name__.
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.datasets.test_pool import QUIET, batches\n"
        "from civicbench.datasets.pool import Cores\n"
        "print('begun', flush=True)\n"
        "with Cores([QUIET], count=2) as cores:\n"
        "    print(len(list(cores.run(0, batches(60)))))\n"
    )
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), *sys.path])
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, timeout=120,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "begun\n60\n"


def test_a_few_batches_are_done_without_a_process() -> None:
    with Cores([PLAN], count=2) as cores:
        assert len(list(cores.run(0, batches(5)))) == 5
    with Cores([PLAN], count=1) as cores:
        assert len(list(cores.run(0, batches(40)))) == 40
