from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from civicbench.core.errors import InvalidInputError
from civicbench.launch.slurm.profile import (
    ClusterProfile,
    Resources,
    list_clusters,
    load_cluster,
    memory_megabytes,
)

SMALL: dict[str, Any] = {
    "name": "small",
    "title": "A small one",
    "gpus_per_node": 2,
    "cpus_per_node": 8,
    "memory_gb_per_node": 32,
    "time_minutes": 60,
    "shared_folder": "/shared",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "slurm" / "clusters").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, name: str = "small", **changes: Any) -> None:
    path = project / "slurm" / "clusters" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(SMALL | changes))


def test_every_shipped_profile_loads() -> None:
    assert {"example-cpu", "example-gpu"} <= set(list_clusters())
    for name in list_clusters():
        assert load_cluster(name).name == name


def test_an_unknown_cluster_is_refused_with_the_nearest_one(project: Path) -> None:
    write(project)
    with pytest.raises(InvalidInputError) as refused:
        load_cluster("smal")
    assert "there is no 'smal' in slurm/clusters/" in str(refused.value)
    assert "did you mean small?" in str(refused.value)


def test_every_mistake_is_named_with_its_path_and_what_was_meant(project: Path) -> None:
    write(project, partitoin="gpu", requeue={"limits": 3}, container={"runtime": "docker"})
    with pytest.raises(InvalidInputError) as refused:
        load_cluster("small")
    said = str(refused.value)
    assert "partitoin: unknown key; did you mean partition?" in said
    assert "requeue.limits: unknown key; did you mean limit?" in said
    assert "container.image: missing" in said
    assert "container.runtime" in said
    assert "4 mistakes" in said


def test_a_profile_is_called_as_its_file(project: Path) -> None:
    write(project, "other")
    with pytest.raises(InvalidInputError, match="name must equal"):
        load_cluster("other")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gpu_type": "a100", "gpus_per_node": 0}, "gpu_type names a type of GPU"),
        ({"signal_grace_s": 3600}, "no time within 60 min"),
        ({"processes_per_node": 3}, "3 processes cannot share 2 GPUs"),
        ({"gpus_per_node": 0, "processes_per_node": 9}, "9 processes cannot share 8 CPUs"),
        ({"shared_folder": "shared"}, "must be an absolute path"),
        ({"environment": {"CIVICBENCH_HOME": "/x"}}, "set by the launch itself"),
        ({"environment": {"A B": "x"}}, "environment.A B"),
        ({"environment": {"A": "x\nrm -rf /"}}, "cannot be printed"),
        ({"partition": "a b"}, "partition"),
        ({"partition": "gpu\n#SBATCH --uid=0"}, "partition"),
        ({"modules": ["cuda; rm -rf /"]}, "modules.0"),
        ({"constraint": "a100 --uid=0"}, "constraint"),
        ({"title": "x\nrm -rf /"}, "cannot be printed"),
    ],
)
def test_what_does_not_fit_is_refused(project: Path, change: dict[str, Any], says: str) -> None:
    write(project, **change)
    with pytest.raises(InvalidInputError) as refused:
        load_cluster("small")
    assert says in str(refused.value)


def test_a_profile_cannot_be_changed() -> None:
    profile = ClusterProfile.model_validate(SMALL)
    with pytest.raises(ValidationError):
        profile.nodes = 2  # type: ignore[misc]


def test_a_kind_of_job_changes_what_it_names_alone() -> None:
    profile = ClusterProfile.model_validate(SMALL | {"partition": "gpu"})
    found = profile.resources_of(Resources(gpus_per_node=0, time_minutes=5))
    assert (found.gpus_per_node, found.time_minutes) == (0, 5)
    assert (found.partition, found.cpus_per_node) == ("gpu", 8)


def test_memory_is_never_more_than_was_asked() -> None:
    """Slurm's M are 2^20 bytes; a node that has 32 GB in all must not be asked for 34."""
    assert memory_megabytes(32) == 30517
    assert all(memory_megabytes(g) * 2**20 <= g * 1e9 for g in (0.5, 1, 7.3, 240, 2000))
