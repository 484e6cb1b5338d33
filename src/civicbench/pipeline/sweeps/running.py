"""Running a sweep's tasks: one after another here, or as an array on a cluster."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from civicbench.core.content import project_root
from civicbench.core.errors import ExitCode, StoppedError
from civicbench.core.progress import Reporter
from civicbench.launch.slurm.profile import ClusterProfile, Resources
from civicbench.launch.slurm.script import Job
from civicbench.launch.slurm.submitting import Launch
from civicbench.pipeline.sweeps.declaring import Sweep, SweepTask
from civicbench.pipeline.sweeps.task import read_result, result_path, write_failure

_MODULE = "civicbench.cli.sweep_task"


def tasks_left(folder: Path, sweep: Sweep) -> list[SweepTask]:
    """Return the tasks that have not ended well."""
    found = []
    for task in sweep.tasks:
        result = read_result(folder, task.number, digest=sweep.digest)
        if result is None or result.state != "done":
            found.append(task)
    return found


def forget_failures(folder: Path, sweep: Sweep) -> None:
    """Forget how runs failed that are run again."""
    for task in tasks_left(folder, sweep):
        result_path(folder, task.number).unlink(missing_ok=True)


def run_here(folder: Path, sweep: Sweep, *, processes: int, reporter: Reporter) -> None:
    """Run the tasks that are left one after another, each in a process of its own.

    One that fails is noted, and the next begins: the memory, and the faults, of one are not those
    of another.

    Args:
        folder: The sweep's folder.
        sweep: Its declaration.
        processes: Processes that share each task.
        reporter: Told of each task.

    Raises:
        StoppedError: A signal asked to stop; what was finished is kept.
    """
    left = tasks_left(folder, sweep)
    found = len(sweep.tasks) - len(left)
    if found:
        reporter.say(f"= {found} of {len(sweep.tasks)} runs found done")
    for place, task in enumerate(left, start=1):
        reporter.say(f"> run {place} of {len(left)}: {' '.join(task.overrides)}")
        code, asked = _run_one(folder, task, processes=processes)
        if asked and code == 0:
            asked = place < len(left)  # it ended just then
        if asked or code in {ExitCode.TRY_AGAIN, ExitCode.INTERRUPTED}:
            raise StoppedError(
                "stopped; the runs that were finished are kept",
                where=f"{sweep.name}, run {task.number}",
                remedy="give the same command to go on from there",
            )
        if code:
            write_failure(
                folder, task, digest=sweep.digest, code=code,
                error=f"ended with exit code {code}, and said no more: see its log",
            )  # fmt: skip
            reporter.say(
                f"! run {task.number} failed with exit code {code}; see {_log(folder, task)}"
            )


def _run_one(folder: Path, task: SweepTask, *, processes: int) -> tuple[int, bool]:
    """Run a task, and return its exit code and whether it was asked to stop."""
    asked: list[int] = []
    result_path(folder, task.number).unlink(missing_ok=True)  # of an attempt that failed
    log = _log(folder, task)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", _MODULE, str(folder), str(task.number)]
    command += ["--processes", str(processes)]
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )  # fmt: skip
        before = _pass_on(process, asked)
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
    return (128 - code if code < 0 else code), bool(asked)


def _pass_on(process: "subprocess.Popen[bytes]", asked: list[int]) -> dict[signal.Signals, object]:
    """Pass on what asks this process to stop; Ctrl-C too, as a wish to save and stop."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    return {number: signal.signal(number, pass_on) for number in numbers}


def _log(folder: Path, task: SweepTask) -> Path:
    return folder / "logs" / f"{task.number:04d}.log"


def launch_of_sweep(
    folder: Path, sweep: Sweep, profile: ClusterProfile, *, command: str, processes: int
) -> Launch | None:
    """Return the array of the tasks that are left; None where all are done.

    Args:
        folder: The sweep's folder.
        sweep: Its declaration.
        profile: The cluster; each task takes one of its nodes.
        command: The command that launches it, for people.
        processes: Processes that share each task.
    """
    left: Sequence[SweepTask] = tasks_left(folder, sweep)
    if not left:
        return None
    job = Job(
        step="sweep",
        title=f"{len(left)} runs of the sweep {sweep.name}",
        command=(_MODULE, str(folder), "--processes", str(processes)),
        resources=profile.resources_of(Resources()),
        tasks=[(str(task.number),) for task in left],
    )
    return Launch(
        what=sweep.name,
        command=command,
        profile=profile,
        project=project_root(),
        recipe=sweep.recipe,
        overrides=(),
        facts={**sweep.facts, "sweep": sweep.digest},
        jobs=[job],
        labels={"sweep": [" ".join(task.overrides) for task in left]},
    )
