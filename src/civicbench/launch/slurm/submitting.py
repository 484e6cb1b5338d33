"""Putting the jobs of a launch into Slurm's queue: all of them, or none."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.digests import digest_text
from civicbench.core.environment import code_version
from civicbench.core.errors import CivicbenchError, InvalidInputError
from civicbench.core.files import remove_folder, write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.launch.slurm.commands import ask_slurm, try_slurm
from civicbench.launch.slurm.profile import ClusterProfile
from civicbench.launch.slurm.script import Job, render_script
from civicbench.launch.slurm.states import look_up
from civicbench.launch.slurm.submission import (
    Submission,
    SubmittedJob,
    list_submissions,
    new_folder,
    script_path,
    write_submission,
)


@dataclass(frozen=True)
class Launch:
    """What is to be launched.

    Attributes:
        what: A recipe's or a sweep's name.
        command: The command that launches it, for people.
        profile: The cluster.
        project: The folder in which the jobs run.
        recipe: The recipe, as it is named on the nodes.
        overrides: What was changed of it on the command line.
        facts: Every setting that shapes the work, by its path.
        jobs: The jobs in order; each starts when the one before it ended well.
        labels: What each task of an array is, by the array's step.
    """

    what: str
    command: str
    profile: ClusterProfile
    project: Path
    recipe: str
    overrides: tuple[str, ...]
    facts: Mapping[str, str]
    jobs: Sequence[Job]
    labels: Mapping[str, Sequence[str]]

    def scripts(self, folder: Path) -> dict[str, str]:
        """Return each job's batch script, by step."""
        return {
            job.step: render_script(job, self.profile, folder=folder, project=self.project)
            for job in self.jobs
        }


def submit(launch: Launch, *, workspace: Workspace, reporter: Reporter) -> Submission:
    """Write a launch's scripts and put its jobs into the queue.

    Args:
        launch: What is launched.
        workspace: Where work is kept; every node must see it.
        reporter: Told of each job.

    Raises:
        SlurmRefusedError: Slurm refused a job; none is left in the queue.
        PartAbsentError: Slurm is not here or does not answer.
        InvalidInputError: The same work waits or runs already, or the workspace stands where the
            nodes do not see it.
    """
    require_shared(workspace, launch.profile)
    _refuse_second(launch, workspace=workspace)
    folder = new_folder(workspace, what=launch.what)
    try:
        scripts = launch.scripts(folder)
        for step, script in scripts.items():
            write_text_whole(script_path(folder, step), script)
        submission = _record(launch, folder.name, scripts)
        # Before the first job, which reads it when it starts.
        write_submission(folder, submission)
    except BaseException:
        remove_folder(folder)
        raise
    taken: dict[str, str] = {}
    try:
        for job in submission.jobs:
            taken[job.step] = _submit_one(job, folder=folder, taken=taken)
            reporter.say(f"+ {job.step}: job {taken[job.step]}, {job.title}")
    except BaseException as error:
        if taken:
            try_slurm("scancel", *taken.values())
        if isinstance(error, CivicbenchError):
            remove_folder(folder)
        raise
    jobs = tuple(job.model_copy(update={"job_id": taken[job.step]}) for job in submission.jobs)
    submission = submission.model_copy(update={"jobs": jobs})
    write_submission(folder, submission)
    return submission


def require_shared(workspace: Workspace, profile: ClusterProfile) -> None:
    """Refuse a workspace outside of the folder that all nodes see.

    Raises:
        InvalidInputError: It stands elsewhere.
    """
    shared = Path(profile.shared_folder).resolve()
    if not workspace.home.resolve().is_relative_to(shared):
        raise InvalidInputError(
            "the workspace is not on storage that the cluster's nodes share",
            where=f"cluster {profile.name}: shared_folder",
            got=f"the workspace {workspace.home}, shared_folder {profile.shared_folder}",
            remedy=f"export CIVICBENCH_HOME={shared}/civicbench, or mend shared_folder",
        )


def _refuse_second(launch: Launch, *, workspace: Workspace) -> None:
    """Refuse what is in the queue already: a second launch would only wait for the first."""
    for _, known in list_submissions(workspace):
        if (known.what, known.facts) != (launch.what, dict(launch.facts)):
            continue
        numbers = [job.job_id for job in known.jobs if job.job_id]
        active = [
            state.job_id for found in look_up(numbers).values() for state in found
            if state.is_active
        ]  # fmt: skip
        if active:
            raise InvalidInputError(
                "the same work waits or runs already",
                where=known.name,
                got=f"jobs {', '.join(active)}",
                remedy=f"`civicbench jobs show {known.name}` shows it, `civicbench cancel "
                f"{known.name}` ends it",
            )


def _record(launch: Launch, name: str, scripts: Mapping[str, str]) -> Submission:
    before: str | None = None
    jobs = []
    for job in launch.jobs:
        jobs.append(
            SubmittedJob(
                step=job.step,
                title=job.title,
                script=scripts[job.step],
                script_digest=digest_text(scripts[job.step]),
                array=job.is_array,
                tasks=tuple(launch.labels.get(job.step, ())),
                after=before,
            )
        )
        before = job.step
    return Submission(
        name=name,
        what=launch.what,
        command=launch.command,
        submitted_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        project=str(launch.project),
        cluster=launch.profile,
        recipe=launch.recipe,
        overrides=launch.overrides,
        facts=dict(launch.facts),
        code_version=code_version(),
        jobs=tuple(jobs),
    )


def _submit_one(job: SubmittedJob, *, folder: Path, taken: Mapping[str, str]) -> str:
    order = []
    if job.after is not None:
        # Without the second, a job whose predecessor failed would wait for ever.
        order = [f"--dependency=afterok:{taken[job.after]}", "--kill-on-invalid-dep=yes"]
    printed = ask_slurm(
        "sbatch",
        "--parsable",
        *order,
        str(script_path(folder, job.step)),
        what=f"sbatch, {job.step}",
        folder=folder,
    )
    return printed.strip().splitlines()[-1].split(";")[0]
