"""A step that kills the process it is run in, where that is not the test's own."""

import multiprocessing
import os
from typing import Literal

from civicbench.datasets.steps.step import Fields, RowFunction, RowStep, StepContext


class Kill(RowStep):
    """Ends a process as the system does when memory runs out: without a word."""

    step: Literal["kill"] = "kill"

    def open(self, context: StepContext) -> RowFunction:
        def judge(fields: Fields) -> None:
            if multiprocessing.parent_process() is not None:
                os._exit(137)

        return judge
