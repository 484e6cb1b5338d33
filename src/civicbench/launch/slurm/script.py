"""A job's batch script: readable, from the template `slurm/job.sh.j2`, every value quoted."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicbench import __version__
from civicbench.core.content import find_content
from civicbench.core.documents import read_text
from civicbench.launch.slurm.profile import ClusterProfile, Resources, memory_megabytes

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE_KIND = "slurm/{name}.sh.j2"


@dataclass(frozen=True)
class Job:
    """One job of a launch, before it is written as a script.

    Attributes:
        step: Its name within the launch: "train", "evaluate", "register" or "sweep".
        title: What it does, for people.
        command: The module and arguments that Python runs on each node.
        resources: What it asks for.
        nodes: On how many nodes.
        tasks: For an array: the further arguments of each task; empty for a single job.
    """

    step: str
    title: str
    command: Sequence[str]
    resources: Resources
    nodes: int = 1
    tasks: Sequence[Sequence[str]] = ()

    @property
    def is_array(self) -> bool:
        """Whether it is an array of tasks."""
        return bool(self.tasks)


def log_name(step: str, *, array: bool) -> str:
    """Return the name of a job's log, with Slurm's signs for job and task in it."""
    return f"{step}-%A_%a.log" if array else f"{step}-%j.log"


def render_script(job: Job, profile: ClusterProfile, *, folder: Path, project: Path) -> str:
    """Return a job's batch script.

    Args:
        job: The job.
        profile: The cluster.
        folder: The launch's folder: log, script and marks stand there.
        project: The folder in which the command runs.
    """
    return _templates().get_template("job").render(
        title=_Comment(job.title),
        version=_Comment(__version__),
        cluster=_Comment(profile.name),
        options=_options(job, profile, folder=folder),
        folder=str(folder),
        step=job.step,
        nodes=job.nodes,
        cpus=job.resources.cpus_per_node,
        command=job.command,
        tasks=job.tasks,
        requeue_limit=profile.requeue.limit if profile.requeue.enabled else 0,
        **_on_node(profile, gpus=bool(job.resources.gpus_per_node), home=folder.parent.parent,
                   project=project),
    )  # fmt: skip


def render_probe(profile: ClusterProfile, *, home: Path, project: Path, mark: Path) -> str:
    """Return a shell script that says what a node has; it is given to `bash -s`.

    Args:
        profile: The cluster.
        home: The workspace.
        project: The folder in which jobs run.
        mark: A file that every node should see.
    """
    return _templates().get_template("probe").render(
        mark=str(mark),
        **_on_node(profile, gpus=profile.gpus_per_node > 0, home=home, project=project),
    )  # fmt: skip


def srun_container(profile: ClusterProfile, *, home: Path, project: Path) -> list[str]:
    """Return srun's options that start a step within the profile's image, where srun does that."""
    container = profile.container
    if container is None or container.runtime != "pyxis":
        return []
    mounts = ",".join(f"{path}:{path}" for path in _binds(profile, home=home, project=project))
    return [f"--container-image={container.image}", f"--container-mounts={mounts}"]


def _on_node(profile: ClusterProfile, *, gpus: bool, home: Path, project: Path) -> dict[str, Any]:
    """Return what `node.sh.j2` puts together: the environment and the Python of a node."""
    container = profile.container
    inside: list[str] = []
    if container is not None and container.runtime == "apptainer":
        binds = ",".join(_binds(profile, home=home, project=project))
        inside = ["apptainer", "exec", *(["--nv"] if gpus else []), "--bind", binds]
        inside.append(container.image)
    srun = srun_container(profile, home=home, project=project)
    return {
        "project": str(project),
        "modules": profile.modules,
        "source": profile.source,
        "environment": _environment(profile, home=home),
        "inside": inside,
        "here": ["srun", "--nodes=1", "--ntasks=1", *srun] if srun else [],
        "srun": srun,
        "python": profile.python or ("python3" if container else sys.executable),
    }


def _binds(profile: ClusterProfile, *, home: Path, project: Path) -> list[str]:
    own = profile.container.binds if profile.container else ()
    return list(dict.fromkeys([str(project), profile.shared_folder, str(home), *own]))


def _templates() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def load(name: str) -> str:
        return read_text(find_content(TEMPLATE_KIND, name))

    return Environment(  # noqa: S701 (shell scripts; every value goes through _quoted)
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        finalize=_quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class _Comment(str):
    """Text of a comment, which needs no quotes: it ends where its line does."""


def _quoted(value: Any) -> str:
    """Quote each value that the template prints, so that none can be read as anything else."""
    text = str(value)
    # A line's end would end a comment or an #SBATCH line: none has a use in a script's value.
    if any(not character.isprintable() for character in text):
        raise ValueError(f"{text!r} holds a character that cannot stand in a script")
    return text if isinstance(value, _Comment) else shlex.quote(text)


def _options(job: Job, profile: ClusterProfile, *, folder: Path) -> list[str]:
    """Return sbatch's options, which stand in the script."""
    wanted = job.resources
    at_once = f"%{profile.tasks_at_once}" if profile.tasks_at_once else ""
    log = f"{folder}/".replace("%", "%%") + log_name(job.step, array=job.is_array)
    gpu = f"gpu:{profile.gpu_type}" if profile.gpu_type else "gpu"
    options = [
        ("job-name", f"civicbench-{job.step}-{folder.name}"),
        ("partition", wanted.partition),
        ("account", profile.account),
        ("qos", wanted.qos),
        ("reservation", profile.reservation),
        ("constraint", profile.constraint),
        ("nodes", job.nodes),
        ("ntasks-per-node", 1),
        ("cpus-per-task", wanted.cpus_per_node),
        ("gres", f"{gpu}:{wanted.gpus_per_node}" if wanted.gpus_per_node else None),
        ("mem", f"{memory_megabytes(wanted.memory_gb_per_node or 0)}M"),
        ("time", wanted.time_minutes),
        ("array", f"0-{len(job.tasks) - 1}{at_once}" if job.is_array else None),
        # B: to this shell; without it only the processes of steps would be told.
        ("signal", f"B:USR1@{profile.signal_grace_s}"),
        ("open-mode", "append"),
        ("output", log),
    ]
    texts = [f"--{name}={value}" for name, value in options if value is not None]
    return [*texts, "--requeue" if profile.requeue.enabled else "--no-requeue"]


def _environment(profile: ClusterProfile, *, home: Path) -> list[tuple[str, str]]:
    """Return the variables that the work gets, in the order in which they are set."""
    variables = dict(profile.environment)
    if profile.mirrors:
        variables["CIVICBENCH_MIRROR"] = ":".join(profile.mirrors)
    variables["CIVICBENCH_OFFLINE"] = "1" if profile.offline else "0"
    variables["CIVICBENCH_HOME"] = str(home)
    return sorted(variables.items())
