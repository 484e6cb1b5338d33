"""Passes on several cores: a process that dies is told, and what is done alone needs none."""

from collections.abc import Iterator

import pytest
from tests.datasets.killing import Kill

from civicbench.core.errors import WorkFailedError
from civicbench.datasets.format import Format
from civicbench.datasets.pool import Cores
from civicbench.datasets.steps.exact_duplicates import ExactDuplicates
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


def batches(count: int) -> Iterator[Batch]:
    for number in range(count):
        yield [Item(0, f"one:{number}", {"q": f"{number}", "a": "x"})]


def test_a_process_that_is_killed_stops_the_work_with_a_reason() -> None:
    with (
        pytest.raises(WorkFailedError, match="a process that curates rows was killed"),
        Cores([PLAN], count=2) as cores,
    ):
        list(cores.run(0, batches(40)))


def test_a_few_batches_are_done_without_a_process() -> None:
    with Cores([PLAN], count=2) as cores:
        assert len(list(cores.run(0, batches(5)))) == 5
    with Cores([PLAN], count=1) as cores:
        assert len(list(cores.run(0, batches(40)))) == 40
