"""A cluster's profile (`slurm/clusters/*.yaml`): what its jobs ask for and need there."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings, parse_settings

CLUSTER_KIND = "slurm/clusters/{name}.yaml"
_MEGABYTES_A_GIGABYTE = 1000


def _plain(text: str) -> str:
    """Refuse control characters: a line's end within a value would begin a line of its own."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must be an absolute path, for jobs start in folders of their own")
    return text


Text = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
AbsolutePath = Annotated[Text, AfterValidator(_absolute)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,:+@/-]*$")]
Constraint = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,:+&|*()\[\]-]+$")]
Positive = Annotated[int, Field(gt=0)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Resources(Settings):
    """What one kind of job asks for; null takes what the profile says for training."""

    partition: Word | None = None
    """Its partition."""
    qos: Word | None = None
    """Its quality of service."""
    gpus_per_node: Annotated[int, Field(ge=0)] | None = None
    """GPUs of its node."""
    cpus_per_node: Positive | None = None
    """CPUs of its node."""
    memory_gb_per_node: Annotated[float, Field(gt=0)] | None = None
    """Memory of its node in gigabytes (10^9 bytes)."""
    time_minutes: Positive | None = None
    """Time limit in minutes."""


class Container(Settings):
    """The image in which Civicbench runs on the nodes."""

    runtime: Literal["apptainer", "pyxis"]
    """apptainer: `apptainer exec` within the job; pyxis: srun's own --container-image."""
    image: Text
    """The image: a file that all nodes see, or a name that the runtime knows."""
    binds: tuple[AbsolutePath, ...] = ()
    """Folders that stand at the same place inside, besides the workspace and the project."""


class Requeue(Settings):
    """What happens to a job that was stopped before its end."""

    enabled: bool = True
    """Whether Slurm may start it again after preemption or a node's failure."""
    limit: Annotated[int, Field(ge=0)] = 10
    """How often a job may start again after it stopped with a checkpoint, before it ends."""


class ClusterProfile(Settings):
    """One way to use one cluster."""

    name: str
    """The name that `--cluster` takes; equals the file's name."""
    title: Text
    """The cluster and this way of using it, for people."""
    partition: Word | None = None
    """The partition; null for the cluster's default."""
    account: Word | None = None
    """The account that is charged; null for the user's default."""
    qos: Word | None = None
    """The quality of service; null for the default."""
    reservation: Word | None = None
    """A reservation to run in; null for none."""
    constraint: Constraint | None = None
    """Features that the nodes must have, such as `a100&nvlink`; null for any node."""
    nodes: Positive = 1
    """Nodes that share each training step."""
    gpus_per_node: Annotated[int, Field(ge=0)]
    """GPUs of each node; 0 to run on processors."""
    gpu_type: Word | None = None
    """The GPUs' type, as the cluster's GRES names it; null for any."""
    processes_per_node: Positive | None = None
    """Processes that share the work of a node; null for one a GPU, or one."""
    cpus_per_node: Positive
    """CPUs of each node."""
    memory_gb_per_node: Annotated[float, Field(gt=0)]
    """Memory of each node in gigabytes (10^9 bytes)."""
    time_minutes: Positive
    """Time limit in minutes; a job that needs longer stops before it and is queued again."""
    evaluation: Resources = Resources()
    """What differs for the jobs that score one suite each, on one node."""
    registration: Resources = Resources(gpus_per_node=0)
    """What differs for the job that judges the gate and registers, on one node."""
    tasks_at_once: Positive | None = None
    """Tasks of an array (suites, sweeps) that may run at the same time; null for no limit."""
    shared_folder: AbsolutePath
    """A folder that the login node and every node see, in which the workspace stands."""
    python: AbsolutePath | None = None
    """The Python with Civicbench on the nodes; null for the one that submits."""
    modules: tuple[Word, ...] = ()
    """Environment modules to load, in order."""
    source: tuple[AbsolutePath, ...] = ()
    """Shell files to source before the work, such as a site's own set-up."""
    container: Container | None = None
    """The image to run in; null for none."""
    environment: dict[VariableName, Text] = {}
    """Environment variables to set, by name."""
    mirrors: tuple[AbsolutePath, ...] = ()
    """Offline mirrors that the nodes see, looked through before the network."""
    offline: bool = True
    """Whether jobs fetch nothing: on most clusters the nodes have no network."""
    requeue: Requeue = Requeue()
    """Whether, and how often, a job that was stopped before its end starts again."""
    signal_grace_s: Annotated[int, Field(ge=10, le=65_535)] = 120
    """How long before its time limit a job is told to save and stop, in seconds."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ClusterProfile":
        problems = []
        if self.gpu_type is not None and self.gpus_per_node == 0:
            problems.append("gpu_type names a type of GPU, and gpus_per_node is 0")
        if self.signal_grace_s >= 60 * self.time_minutes:
            problems.append(
                f"signal_grace_s: {self.signal_grace_s} s before the end is no time within "
                f"{self.time_minutes} min"
            )
        processes = self.processes_per_node or 1
        if self.gpus_per_node and processes > self.gpus_per_node:
            problems.append(
                f"processes_per_node: {processes} processes cannot share {self.gpus_per_node} GPUs"
            )
        if processes > self.cpus_per_node:
            problems.append(
                f"processes_per_node: {processes} processes cannot share {self.cpus_per_node} CPUs"
            )
        if "CIVICBENCH_HOME" in self.environment:
            problems.append("environment: CIVICBENCH_HOME is set by the launch itself")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def processes(self) -> int:
        """Processes of each node."""
        return self.processes_per_node or max(1, self.gpus_per_node)

    def resources_of(self, changed: Resources) -> Resources:
        """Return what a job asks for: the profile's own, but for what it changes."""
        own = Resources(
            partition=self.partition,
            qos=self.qos,
            gpus_per_node=self.gpus_per_node,
            cpus_per_node=self.cpus_per_node,
            memory_gb_per_node=self.memory_gb_per_node,
            time_minutes=self.time_minutes,
        )
        return own.model_copy(update=changed.model_dump(exclude_none=True))


def memory_megabytes(gigabytes: float) -> int:
    """Return gigabytes of 10^9 bytes in Slurm's M, which are 2^20 bytes."""
    return max(1, int(gigabytes * _MEGABYTES_A_GIGABYTE**3 / 2**20))


def load_cluster(name: str) -> ClusterProfile:
    """Load a cluster's profile by name, from the project or from what is shipped.

    Raises:
        InvalidInputError: No such profile, or every mistake in it at once.
    """
    path = find_content(CLUSTER_KIND, name)
    profile = parse_settings(ClusterProfile, read_yaml_mapping(path), where=str(path))
    if profile.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=profile.name,
            remedy=f"write name: {path.stem}",
        )  # fmt: skip
    return profile


def list_clusters() -> dict[str, Path]:
    """Return every profile's file by name."""
    return dict(sorted(list_content(CLUSTER_KIND).items()))
