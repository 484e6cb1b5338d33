"""One lab for all tests of this folder; each test finds an empty queue and idle nodes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.launch.slurm.lab import Lab, has_accounting, missing, running

ROOT = Path(__file__).resolve().parents[3]
# Set where Slurm must be there, as in CI: its absence is then a failure.
REQUIRED = "CIVICBENCH_REQUIRE_SLURM"


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[Lab]:
    absent = missing()
    if absent is not None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and {absent}")
        pytest.skip(f"{absent}: see slurm/README.md")
    # Sockets stand in it, and their paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="cbslurm"))
    with running(folder, accounting=has_accounting()) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.quiesce()
    yield shared_lab
    shared_lab.quiesce()


@dataclass
class Site:
    """A project and workspace on a cluster."""

    lab: Lab
    project: Path
    home: Path
    python: str = sys.executable

    def profile(self, **changes: Any) -> None:
        """Write the profile `lab`."""
        settings = {
            "name": "lab",
            "title": "The lab",
            "partition": "main",
            "gpus_per_node": 0,
            "cpus_per_node": 1,
            "memory_gb_per_node": 1,
            "time_minutes": 30,
            "signal_grace_s": 30,
            "shared_folder": str(self.home.parent),
            "environment": {"OMP_NUM_THREADS": "1"},
        }
        path = self.project / "slurm" / "clusters" / "lab.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(settings | changes))

    @property
    def environment(self) -> dict[str, str]:
        return self.lab.environment | {
            "CIVICBENCH_HOME": str(self.home),
            "PYTHONPATH": str(ROOT / "src"),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *arguments: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command as a user on the login node does."""
        done = subprocess.run(
            [sys.executable, "-m", "civicbench", *arguments],
            cwd=self.project, env=self.environment, text=True, capture_output=True, check=False,
            timeout=300,
        )  # fmt: skip
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command without waiting for its end."""
        return subprocess.Popen(
            [sys.executable, "-m", "civicbench", *arguments],
            cwd=self.project, env=self.environment, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip

    def launch(self, *arguments: str) -> dict[str, Any]:
        """Launch on the lab, and return the launch's record."""
        return self.launched(self.run("launch", *arguments, "--cluster", "lab").stdout)

    def launched(self, said: str) -> dict[str, Any]:
        """Return the record of a launch, from what the command said."""
        name = said.split("Launch: ")[1].splitlines()[0]
        return json.loads((self.home / "jobs" / name / "launch.json").read_text())

    def number(self, launch: dict[str, Any], step: str) -> str:
        return next(job["job_id"] for job in launch["jobs"] if job["step"] == step)

    def shown(self, launch: dict[str, Any]) -> dict[str, Any]:
        return json.loads(self.run("jobs", "show", launch["name"], "--json").stdout)

    def shown_states(self, launch: dict[str, Any], step: str) -> list[str]:
        steps = self.shown(launch)["steps"]
        return [state["state"] for found in steps if found["step"] == step
                for state in found["states"]]  # fmt: skip

    def log(self, launch: dict[str, Any], step: str, task: int | None = None) -> str:
        folder = self.home / "jobs" / launch["name"]
        end = "" if task is None else f"_{task}"
        path = folder / f"{step}-{self.number(launch, step)}{end}.log"
        return path.read_text() if path.is_file() else ""

    def adapters(self) -> list[bytes]:
        """The bytes of every trained adapter in the workspace."""
        found = sorted(self.home.glob("runs/*/adapter/adapter_model.safetensors"))
        return [path.read_bytes() for path in found if ".partial" not in str(path)]

    def wait_for_steps(self, steps: int) -> None:
        """Wait until training has taken some steps."""

        def taken() -> bool:
            files = self.home.glob("runs/*.partial/metrics.jsonl")
            return any(len(path.read_text().splitlines()) >= steps for path in files)

        self.lab.wait_until(taken, timeout_s=200, what=f"{steps} steps")


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Site:
    project = tmp_path / "project"
    (project / "recipes").mkdir(parents=True)
    made = Site(lab, project, tmp_path / "home")
    made.profile()
    return made


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Train a recipe here in one go, and return its adapter's bytes; once for the same words."""
    known: dict[tuple[str, ...], bytes] = {}

    def train(*words: str) -> bytes:
        if words not in known:
            home = tmp_path_factory.mktemp("elsewhere")
            command = words if words[0] == "launch" else ("train", *words)
            subprocess.run(
                [sys.executable, "-m", "civicbench", *command],
                env=os.environ | {"CIVICBENCH_HOME": str(home), "OMP_NUM_THREADS": "1",
                                  "PYTHONPATH": str(ROOT / "src")},
                cwd=ROOT, check=True, capture_output=True, timeout=300,
            )  # fmt: skip
            [path] = home.glob("runs/*/adapter/adapter_model.safetensors")
            known[words] = path.read_bytes()
        return known[words]

    return train


@dataclass(frozen=True)
class Outcome:
    """What a command ended with."""

    code: int
    out: str
    err: str


Here = Callable[..., Outcome]


@pytest.fixture
def here(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run a command of the login node in this process, which is much quicker."""

    def run(*arguments: str) -> Outcome:
        from civicbench.cli import main

        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in site.environment.items():
                patch.setenv(name, value)
            patch.chdir(site.project)
            patch.setattr(sys, "argv", ["civicbench", *arguments])
            code: object = 0
            try:
                main()
            except SystemExit as finished:
                code = finished.code
        captured = capsys.readouterr()
        assert isinstance(code, int | None)
        return Outcome(int(code or 0), captured.out, captured.err)

    return run
