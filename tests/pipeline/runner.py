"""Running the command line in a process of its own, as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "civicbench"]


def environment(home: Path) -> dict[str, str]:
    """Return an environment with a workspace of its own and no network asked for."""
    return {
        **os.environ,
        "CIVICBENCH_HOME": str(home),
        "CIVICBENCH_OFFLINE": "1",
        "PYTHONPATH": str(ROOT / "src"),
    }


def start(home: Path, *arguments: str, cwd: Path = ROOT) -> "subprocess.Popen[str]":
    """Start a command with its output captured."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(home: Path, *arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    process = start(home, *arguments, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_smoke(home: Path, *overrides: str) -> dict[str, Any]:
    """Run the smoke recipe and return its JSON; fail where it does."""
    done = run(home, "run", "smoke", *overrides, "--json")
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
