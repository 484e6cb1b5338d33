"""Memory does not grow with the rows: what streams is measured in a process of its own."""

import json
import os
import random
import subprocess
import sys
from typing import Any

import pytest
from tests.datasets.project import OWN, Project

_STEPS: list[dict[str, Any]] = [
    {"step": "normalise"},
    {"step": "filter-length", "fields": ["question"], "minimum_words": 4},
    {"step": "exact-duplicates"},
    {"step": "near-duplicates", "threshold": 0.9},
    {"step": "personal-data", "action": "redact"},
    {"step": "balance", "by": "area", "ratio": 2},
]
_BUILD = """
import resource
from civicbench.cli import application
application(["datasets", "build", "own"], standalone_mode=False)
print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF,
                                                      resource.RUSAGE_CHILDREN)))
"""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def peaks_mb(project: Project, rows: int) -> tuple[float, float]:
    """Build so many rows; return the peak of the first process, and of the largest other."""
    chance = random.Random(rows)
    words = ["".join(chance.choices(_LETTERS, k=chance.randint(2, 9))) for _ in range(4000)]
    with (project.folder / "rows.jsonl").open("w") as stream:
        for number in range(rows):
            fields = {
                "id": f"r{number}", "family": f"f{number // 3}", "area": "ABC"[number % 3],
                "question": " ".join(chance.choices(words, k=30)), "answer": f"It is {number}.",
            }  # fmt: skip
            stream.write(json.dumps(fields) + "\n")
    environment = {**os.environ, "CIVICBENCH_HOME": str(project.root / f"home-{rows}")}
    done = subprocess.run(
        [sys.executable, "-c", _BUILD], cwd=project.root, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    first, others = done.stdout.strip().splitlines()[-1].split()
    return int(first) / 1024, int(others) / 1024


@pytest.mark.slow
def test_four_times_the_rows_take_little_more_memory(project: Project) -> None:
    source = {"file": "rows.jsonl", "reader": {"reader": "jsonl"}, "mistakes": "exclude", **OWN}
    project.declare(source=source, steps=_STEPS, split={"test": 0.1})
    small = peaks_mb(project, 20_000)
    large = peaks_mb(project, 80_000)
    # The rows themselves are 17 MB more; a step that held them as objects would take ten times.
    assert large[0] - small[0] < 80
    assert large[1] - small[1] < 40
