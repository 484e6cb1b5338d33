"""How jobs stand: asked of scontrol while Slurm remembers them, then of sacct."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import ExitCode, PartAbsentError
from civicbench.launch.slurm.commands import try_slurm
from civicbench.launch.slurm.explaining import explain_reason
from civicbench.launch.slurm.parsing import (
    duration_s,
    exit_code,
    read_lines,
    read_records,
    read_table,
    said,
    state_word,
    task_numbers,
    whole,
)

ACTIVE = frozenset(
    {
        *("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "RESIZING"),
        *("REQUEUE_HOLD", "REQUEUE_FED", "SIGNALING", "STAGE_OUT", "STOPPED", "SPECIAL_EXIT"),
    }
)
_HISTORY = "JobID,State,ExitCode,NodeList,Elapsed,End"
_QUEUE = ("id", "state", "reason", "left", "start")
_CODES = {
    ExitCode.INTERNAL_ERROR: "a fault, or work that had to stop",
    ExitCode.INVALID_USE: "a mistake in the recipe or another file",
    ExitCode.GATE_FAILED: "registered; the gate is not met",
    ExitCode.WAITING_FOR_DECISION: "waits for a person's decision",
    ExitCode.PART_ABSENT: "something needed is not there",
    ExitCode.INTEGRITY_FAILED: "bytes are not what their digest says",
    ExitCode.TRY_AGAIN: "stopped with everything kept; launch again to go on",
    ExitCode.INTERRUPTED: "interrupted",
}


class JobState(BaseModel):
    """How one job, or one task of an array, stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    job_id: str
    """Slurm's number; for an array's task ARRAY_TASK."""
    task: int | None = None
    """The task's number within its array."""
    state: str
    """Slurm's state, such as "RUNNING"; "UNKNOWN" where Slurm no longer knows it."""
    reason: str = ""
    """Why it waits or how it ended, in Slurm's word."""
    words: str = ""
    """The same in plain words."""
    exit_code: int | None = None
    """What it ended with; None while it has not."""
    signal: int | None = None
    """The signal that ended it."""
    restarts: int | None = None
    """How often it was started again."""
    nodes: str | None = None
    """Its nodes."""
    ran_s: int | None = None
    """How long it has run, in its last attempt."""
    left_s: int | None = None
    """How much of its time is left."""
    expected_start: str | None = None
    """When Slurm expects to start it."""
    source: str
    """Which program said so: "scontrol", "sacct" or "none"."""

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def is_done(self) -> bool:
        """Whether it ended well."""
        return self.state == "COMPLETED"


def look_up(job_ids: Iterable[str]) -> dict[str, list[JobState]]:
    """Return how jobs stand, by number; an array has an entry a task.

    Raises:
        PartAbsentError: Slurm's programs are not here.
    """
    wanted = list(dict.fromkeys(job_ids))
    queue = _queue(wanted)
    return {job_id: _from_scontrol(job_id, queue) or _from_sacct(job_id) for job_id in wanted}


def with_every_task(job_id: str, found: Sequence[JobState], *, tasks: int) -> list[JobState]:
    """Return the states of an array with those of its tasks that Slurm leaves out.

    A task that was cancelled before it started has no record in scontrol's answer.

    Args:
        job_id: The array's number.
        found: What Slurm said.
        tasks: How many tasks it has.
    """
    known = {state.task: state for state in found if state.task is not None}
    if not found or len(known) == tasks or found[0].source == "none":
        return list(found)
    history = {state.task: state for state in _from_sacct(job_id) if state.task is not None}
    return [
        known.get(task)
        or history.get(task)
        or JobState(
            job_id=f"{job_id}_{task}",
            task=task,
            state="CANCELLED",
            words="Slurm lists it no more: it was ended before it started",
            source="none",
        )
        for task in range(tasks)
    ]


def _from_scontrol(job_id: str, queue: dict[str, dict[str, str]]) -> list[JobState]:
    done = try_slurm("scontrol", "show", "job", "-o", job_id)
    if done.returncode != 0:
        return []
    found = []
    for record in read_records(done.stdout):
        if "JobId" not in record:
            continue
        base = record.get("ArrayJobId", record["JobId"])
        tasks: Sequence[int | None] = list(task_numbers(record.get("ArrayTaskId"))) or [None]
        for task in tasks:
            name = base if task is None else f"{base}_{task}"
            found.append(_state_of(name, task, record, queue.get(name, {})))
    return sorted(found, key=lambda state: state.task if state.task is not None else -1)


def _state_of(
    name: str, task: int | None, record: dict[str, str], queued: dict[str, str]
) -> JobState:
    state = state_word(record.get("JobState"))
    code, number = exit_code(record.get("ExitCode"))
    reason = said(record.get("Reason")) or ""
    over = state not in ACTIVE
    return JobState(
        job_id=name,
        task=task,
        state=state,
        reason=reason,
        words=_words(state, reason, code if over else None),
        exit_code=code if over else None,
        signal=(number or None) if over else None,
        restarts=whole(record.get("Restarts")),
        nodes=said(record.get("NodeList")),
        ran_s=duration_s(record.get("RunTime")),
        left_s=duration_s(queued.get("left")) if state == "RUNNING" else None,
        expected_start=said(queued.get("start")) if state == "PENDING" else None,
        source="scontrol",
    )


def _queue(job_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return time left and expected start of those jobs that wait or run."""
    if not job_ids:
        return {}
    done = try_slurm(
        "squeue", "--noheader", "--array", "--jobs", ",".join(job_ids), "--format", "%i|%T|%r|%L|%S"
    )
    rows = read_lines(done.stdout, names=_QUEUE) if done.returncode == 0 else []
    return {row["id"].strip(): row for row in rows}


def _from_sacct(job_id: str) -> list[JobState]:
    """Return what the accounting knows of a job that Slurm itself has forgotten."""
    try:
        done = try_slurm("sacct", "-D", "-X", "-P", "-j", job_id, "-o", _HISTORY)
    except PartAbsentError:
        done = None
    rows = read_table(done.stdout) if done is not None and done.returncode == 0 else []
    attempts: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row.get("jobid"):
            attempts.setdefault(row["jobid"], []).append(row)
    found = []
    for name, tries in attempts.items():
        last = tries[-1]
        _, _, place = name.partition("_")
        tasks: Sequence[int | None] = list(task_numbers(place)) or [None]
        for task in tasks:
            code, number = exit_code(last.get("exitcode"))
            state = state_word(last.get("state"))
            found.append(
                JobState(
                    job_id=name if task is None else f"{job_id}_{task}",
                    task=task,
                    state=state,
                    words=_words(state, "", code),
                    exit_code=None if state in ACTIVE else code,
                    signal=number or None,
                    restarts=len(tries) - 1,
                    nodes=said(last.get("nodelist")),
                    ran_s=duration_s(last.get("elapsed")),
                    source="sacct",
                )
            )
    if found:
        return sorted(found, key=lambda state: state.task if state.task is not None else -1)
    return [
        JobState(
            job_id=job_id,
            state="UNKNOWN",
            words="Slurm no longer knows it, and no accounting answers: its log tells how it ended",
            source="none",
        )
    ]


def _words(state: str, reason: str, code: int | None) -> str:
    """Return in plain words why a job waits, or how it ended."""
    if state in ACTIVE:
        return explain_reason(reason)
    if state == "CANCELLED" and reason in {"Dependency", "DependencyNeverSatisfied"}:
        return "never started: the job that it waited for failed"
    if state == "TIMEOUT":
        return "its time was over before it could stop by itself: raise signal_grace_s"
    if state == "NODE_FAIL":
        return "a node failed, and it may not start again (requeue.enabled)"
    if state in {"OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL", "DEADLINE"}:
        return explain_reason({"OUT_OF_MEMORY": "OutOfMemory"}.get(state, reason))
    if code in _CODES:
        return _CODES[ExitCode(code)]
    return explain_reason(reason) if code else ""
