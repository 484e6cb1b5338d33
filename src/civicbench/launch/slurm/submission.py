"""A launch on a cluster: its folder, with scripts, digests, job numbers and logs."""

import difflib
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.digests import digest_text
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.files import disk_errors_explained, write_text_whole
from civicbench.core.settings import suggest
from civicbench.core.workspace import Workspace
from civicbench.launch.slurm.profile import ClusterProfile

RECORD_NAME = "launch.json"
FORMAT_VERSION = 1
_SHOWN_LINES = 6


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SubmittedJob(_Fact):
    """One job of a launch."""

    step: str
    """Its name within the launch."""
    title: str
    """What it does."""
    script: str
    """Its batch script as it was written."""
    script_digest: str
    """sha256 of that text."""
    array: bool = False
    """Whether it is an array."""
    tasks: tuple[str, ...] = ()
    """What each task of the array is, in order."""
    after: str | None = None
    """The step that must end well before it starts."""
    job_id: str | None = None
    """Slurm's number; None until it was taken."""


class Submission(_Fact):
    """A launch: `launch.json` in its folder."""

    format_version: int = FORMAT_VERSION
    """Version of this record's form."""
    name: str
    """The launch's name, as `civicbench jobs` lists it; its folder's name."""
    what: str
    """What was launched: a recipe's or a sweep's name."""
    command: str
    """The command that launched it."""
    submitted_at: str
    """When, in UTC."""
    project: str
    """The folder in which the jobs run."""
    cluster: ClusterProfile
    """The profile as it was."""
    recipe: str
    """The recipe, as it is named on the nodes."""
    overrides: tuple[str, ...]
    """What was changed of it on the command line."""
    facts: dict[str, str]
    """Every setting that shapes the work, as it was, by its path."""
    code_version: str
    """Version of Civicbench and digest of its source."""
    jobs: tuple[SubmittedJob, ...]
    """Its jobs, in order."""

    def job(self, step: str) -> SubmittedJob:
        """Return the job of a step.

        Raises:
            InvalidInputError: There is none of that name.
        """
        for job in self.jobs:
            if job.step == step:
                return job
        known = [job.step for job in self.jobs]
        near = suggest(step, known)
        raise InvalidInputError(
            f"{self.name} has no step {step!r}",
            remedy=f"did you mean {near}?" if near else f"its steps: {', '.join(known)}",
        )


def script_path(folder: Path, step: str) -> Path:
    """Return where a step's batch script is kept."""
    return folder / f"{step}.sbatch"


def new_folder(workspace: Workspace, *, what: str) -> Path:
    """Make the folder of a new launch.

    Args:
        workspace: Where work is kept.
        what: What is launched.
    """
    stem = f"{what}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    number = 1
    while True:
        folder = workspace.jobs / (stem if number == 1 else f"{stem}-{number}")
        with disk_errors_explained(str(folder)):
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
                continue
        return folder


def write_submission(folder: Path, submission: Submission) -> None:
    """Write a launch's record whole."""
    write_text_whole(folder / RECORD_NAME, submission.model_dump_json(indent=2) + "\n")


def read_submission(folder: Path) -> Submission:
    """Read a launch's record.

    Raises:
        PartAbsentError: There is none.
        IntegrityError: It is not one.
    """
    path = folder / RECORD_NAME
    try:
        return Submission.model_validate_json(read_text(path))
    except ValidationError as error:
        raise IntegrityError(
            "is not the record of a launch", where=str(path), got=str(error).splitlines()[0],
            remedy="was it changed by hand? Launch again",
        ) from None  # fmt: skip


def list_submissions(workspace: Workspace) -> list[tuple[Path, Submission]]:
    """Return every launch of a workspace, the newest first."""
    folders = [path.parent for path in workspace.jobs.glob(f"*/{RECORD_NAME}")]
    found = [(folder, read_submission(folder)) for folder in folders]
    return sorted(found, key=lambda pair: (pair[1].submitted_at, pair[1].name), reverse=True)


def find_submission(workspace: Workspace, reference: str) -> tuple[Path, Submission]:
    """Return a launch by its name, the name's beginning, or a Slurm job's number.

    Raises:
        InvalidInputError: None or several are so called.
    """
    known = list_submissions(workspace)
    for folder, submission in known:
        numbers = {job.job_id for job in submission.jobs}
        if submission.name == reference or reference.split("_")[0] in numbers:
            return folder, submission
    begun = [pair for pair in known if pair[1].name.startswith(reference)]
    if len(begun) == 1:
        return begun[0]
    names = [submission.name for _, submission in known]
    if begun:
        raise InvalidInputError(
            f"several launches begin with {reference!r}",
            got=", ".join(submission.name for _, submission in begun),
            remedy="give the whole name, or a job's number",
        )
    near = suggest(reference, names)
    raise InvalidInputError(
        f"there is no launch {reference!r} in this workspace",
        where=str(workspace.jobs),
        remedy=f"did you mean {near}?" if near else "`civicbench jobs` lists them",
    )


def require_own_script(submission: Submission, step: str, running: str) -> None:
    """Refuse to work under a script that is not the one that was launched.

    Args:
        submission: The launch.
        step: The job's step.
        running: The script that Slurm runs.

    Raises:
        IntegrityError: It was changed by hand; with the lines that differ, where known.
    """
    job = submission.job(step)
    if digest_text(running) == job.script_digest:
        return
    raise IntegrityError(
        "the batch script is not the one that was launched: it was changed by hand",
        where=f"{submission.name}: {step}.sbatch",
        got=f"sha256 {digest_text(running)[:12]}, launched as {job.script_digest[:12]}; "
        + "; ".join(changed_lines(job.script, running)),
        remedy="put the change into the cluster profile or the recipe, and launch again: the "
        "kept script is the evidence of what ran",
    )


def edited_scripts(folder: Path, submission: Submission) -> dict[str, str]:
    """Return the steps whose kept script is no longer what was launched, each with why."""
    found = {}
    for job in submission.jobs:
        path = script_path(folder, job.step)
        if not path.is_file():
            found[job.step] = "is gone"
        elif digest_text(read_text(path)) != job.script_digest:
            found[job.step] = "was changed by hand"
    return found


def changed_lines(before: str, after: str) -> Sequence[str]:
    """Return the first lines that differ between two texts, marked - and +."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))][:_SHOWN_LINES]
