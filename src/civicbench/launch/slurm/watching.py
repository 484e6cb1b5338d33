"""Launches as they stand: states, reasons, logs; and ending them."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.launch.slurm.commands import ask_slurm
from civicbench.launch.slurm.states import JobState, look_up, with_every_task
from civicbench.launch.slurm.submission import Submission, SubmittedJob, edited_scripts

_LOOK_EVERY_S = 0.3
_ASK_EVERY_S = 3.0
_PIECE_BYTES = 1 << 16


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StepState(_Fact):
    """How one step of a launch stands."""

    step: str
    """Its name."""
    title: str
    """What it does."""
    job_id: str | None
    """Slurm's number."""
    states: tuple[JobState, ...]
    """Its job's state, or one a task of its array."""
    tasks: tuple[str, ...]
    """What each task is."""
    logs: tuple[str, ...]
    """Its logs so far."""
    script: str
    """Its kept batch script."""
    script_note: str = ""
    """What is odd about that script, such as a change by hand."""

    @property
    def is_active(self) -> bool:
        """Whether a part of it waits or runs."""
        return any(state.is_active for state in self.states)

    @property
    def is_done(self) -> bool:
        """Whether all of it ended well."""
        return bool(self.states) and all(state.is_done for state in self.states)

    @property
    def failed(self) -> tuple[JobState, ...]:
        """What did not end well."""
        return tuple(state for state in self.states if not (state.is_done or state.is_active))


class LaunchState(_Fact):
    """How a launch stands."""

    name: str
    """Its name."""
    what: str
    """What was launched."""
    cluster: str
    """The cluster's profile."""
    submitted_at: str
    """When, in UTC."""
    folder: str
    """Where its scripts and logs are."""
    steps: tuple[StepState, ...]
    """Its steps, in order."""

    @property
    def summary(self) -> str:
        """How it stands, in a word or two."""
        failed = [step.step for step in self.steps if step.failed]
        if failed:
            return f"failed: {failed[0]}"
        if all(step.is_done for step in self.steps):
            return "done"
        running = [s.step for s in self.steps if any(t.state == "RUNNING" for t in s.states)]
        if running:
            return f"runs: {running[0]}"
        waiting = next((step.step for step in self.steps if step.is_active), None)
        return f"waits: {waiting}" if waiting else "unknown"

    @property
    def is_active(self) -> bool:
        """Whether a part of it waits or runs."""
        return any(step.is_active for step in self.steps)


def describe(launches: Sequence[tuple[Path, Submission]]) -> list[LaunchState]:
    """Return how launches stand.

    Raises:
        PartAbsentError: Slurm's programs are not here.
    """
    numbers = [job.job_id for _, launch in launches for job in launch.jobs if job.job_id]
    states = look_up(numbers)
    return [
        LaunchState(
            name=launch.name,
            what=launch.what,
            cluster=launch.cluster.name,
            submitted_at=launch.submitted_at,
            folder=str(folder),
            steps=_steps(folder, launch, states),
        )
        for folder, launch in launches
    ]


def _steps(
    folder: Path, launch: Submission, states: dict[str, list[JobState]]
) -> tuple[StepState, ...]:
    notes = edited_scripts(folder, launch)
    return tuple(
        StepState(
            step=job.step,
            title=job.title,
            job_id=job.job_id,
            states=_states_of(job, states.get(job.job_id or "", [])),
            tasks=job.tasks,
            logs=tuple(str(path) for path in logs_of(folder, job)),
            script=str(folder / f"{job.step}.sbatch"),
            script_note=notes.get(job.step, ""),
        )
        for job in launch.jobs
    )


def _states_of(job: SubmittedJob, found: list[JobState]) -> tuple[JobState, ...]:
    if job.array and job.job_id is not None:
        found = with_every_task(job.job_id, found, tasks=len(job.tasks))
    return tuple(found)


def logs_of(folder: Path, job: SubmittedJob, *, task: int | None = None) -> list[Path]:
    """Return the logs of a job that are there, by task.

    Args:
        folder: The launch's folder.
        job: The job.
        task: One task of an array; all where None.
    """
    if job.job_id is None:
        return []
    if not job.array:
        path = folder / f"{job.step}-{job.job_id}.log"
        return [path] if path.is_file() else []
    wanted = range(len(job.tasks)) if task is None else [task]
    paths = [folder / f"{job.step}-{job.job_id}_{number}.log" for number in wanted]
    return [path for path in paths if path.is_file()]


def follow(
    folder: Path, launch: Submission, job: SubmittedJob, *, task: int | None, keep_on: bool
) -> Iterator[str]:
    """Yield the text of a job's log, and go on until the job has ended where asked to.

    Args:
        folder: The launch's folder.
        launch: The launch.
        job: Its job.
        task: The task of an array.
        keep_on: Wait for more until the job is over.

    Raises:
        InvalidInputError: An array, and no task of it was named; or it has no such task.
        PartAbsentError: There is no log (yet).
    """
    if job.array and task is None:
        raise InvalidInputError(
            f"{job.step} is an array: name one of its tasks",
            where=launch.name,
            remedy="give --task: "
            + ", ".join(f"{number} is {label}" for number, label in enumerate(job.tasks)),
        )
    if task is not None and not (job.array and 0 <= task < len(job.tasks)):
        raise InvalidInputError(
            f"{job.step} has no task {task}",
            where=launch.name,
            remedy=f"its tasks are 0 to {len(job.tasks) - 1}" if job.array else "leave --task out",
        )

    def over() -> bool:
        states = look_up([job.job_id or ""]).get(job.job_id or "", [])
        chosen = [state for state in states if task is None or state.task in (None, task)]
        return not any(state.is_active for state in chosen)

    paths = logs_of(folder, job, task=task)
    while not paths and keep_on and not over():
        time.sleep(_LOOK_EVERY_S)
        paths = logs_of(folder, job, task=task)
    if not paths:
        raise PartAbsentError(
            "there is no log yet",
            where=f"{launch.name}: {job.step}",
            remedy="`civicbench jobs show` tells whether it has started. A job that failed without "
            "a log could not write here: its node does not see the workspace",
        )
    yield from _read_on(paths[0], over=over if keep_on else None)


def _read_on(path: Path, *, over: Callable[[], bool] | None) -> Iterator[str]:
    """Yield a file's text as it grows, until `over` says that nothing will come."""
    with path.open("rb") as stream:
        asked = time.monotonic()
        last = over is None
        while True:
            piece = stream.read(_PIECE_BYTES)
            if piece:
                yield piece.decode("utf-8", "replace")
            elif last:
                return
            elif over is not None and time.monotonic() - asked > _ASK_EVERY_S:
                asked = time.monotonic()
                last = over()  # what it wrote before it ended is still read
            else:
                time.sleep(_LOOK_EVERY_S)


def cancel(launch: Submission, *, step: str | None) -> tuple[str, ...]:
    """End the jobs of a launch that wait or run.

    Args:
        launch: The launch.
        step: One step of it; all where None.

    Returns:
        The numbers of the jobs that were ended.

    Raises:
        SlurmRefusedError: Slurm refused, in its words.
    """
    jobs = launch.jobs if step is None else (launch.job(step),)
    states = look_up([job.job_id for job in jobs if job.job_id])
    active = [number for number, found in states.items() if any(s.is_active for s in found)]
    if active:
        # The last first: one that waits for another must not start when that ends.
        ask_slurm("scancel", *reversed(active), what=f"scancel, {launch.name}")
    return tuple(active)


def choose_step(state: LaunchState, *, task: int | None) -> tuple[str, int | None]:
    """Return the step, and the task of its array, whose log says most now.

    What runs comes first, then what failed, then what ended last.

    Args:
        state: How the launch stands.
        task: The task that was asked for.
    """
    order: list[Callable[[JobState], bool]] = [
        lambda job: job.state in {"RUNNING", "COMPLETING"},
        lambda job: not job.is_active and not job.is_done,
    ]
    for wanted in order:
        for step in state.steps:
            for job in step.states:
                if wanted(job) and task in (None, job.task):
                    return step.step, job.task if task is None else task
    with_logs = [step for step in state.steps if step.logs] or list(state.steps)
    last = with_logs[-1]
    single = 0 if last.tasks and len(last.tasks) == 1 else None
    return last.step, single if task is None else task
