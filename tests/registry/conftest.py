import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registry.factory import make_evidence, make_files
from tests.registry.office import Office
from tests.registry.postgresql import REQUIRED, Cluster, find_program, running_cluster
from tests.registry.raw import Raw

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.decisions.kinds import KeyRetired, PersonChanged
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary

QUIET = Reporter(live=False)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL cluster that lasts as long as the tests."""
    if find_program("initdb") is None and not os.environ.get(REQUIRED):
        pytest.skip(f"PostgreSQL is not installed ({REQUIRED}=1 makes that a failure)")
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def template(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that holds an empty registry, to be copied."""
    name = cluster.create()
    home = Workspace(tmp_path_factory.mktemp("template"), registry=cluster.url(name))
    Registry.open_or_initialise(home, reporter=QUIET).close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on: each on both."""
    return str(request.param)


@pytest.fixture
def bare_workspace(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Workspace]:
    """A workspace whose registry was not made yet."""
    if backend == "sqlite":
        yield Workspace(tmp_path / "home")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    yield Workspace(tmp_path / "home", registry=cluster.url(name))
    cluster.drop(name)


@pytest.fixture
def workspace(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A workspace, on PostgreSQL with an empty registry in it."""
    if backend == "sqlite":
        yield Workspace(tmp_path / "home")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create(template=request.getfixturevalue("template"))
    yield Workspace(tmp_path / "home", registry=cluster.url(name))
    cluster.drop(name)


@pytest.fixture
def registry(workspace: Workspace) -> Iterator[Registry]:
    with Registry.open_or_initialise(workspace, reporter=QUIET) as opened:
        yield opened


@pytest.fixture
def raw(workspace: Workspace) -> Iterator[Raw]:
    """The database as anyone could open it; made by the first registry that is opened."""
    opened = Raw(workspace)
    yield opened
    opened.close()


@pytest.fixture
def version(registry: Registry, tmp_path: Path) -> VersionSummary:
    """A registered version (seed 0)."""
    evidence, measurements = make_evidence(0)
    return registry.register(
        evidence, measurements=measurements, files=make_files(tmp_path / "files", seed=0)
    )


@pytest.fixture
def office(registry: Registry, tmp_path: Path) -> Office:
    """People with keys around the registry."""
    return Office(registry, tmp_path / "files")


@pytest.fixture
def lived(office: Office) -> Registry:
    """A registry in which something of every kind has happened."""
    office.live(0)
    office.live(1)
    sam, rob = office.keys["sam"], office.keys["rob"]
    desk, proposals = office.registry.desk, office.registry.proposals
    third = office.register(2)
    office.submit(third.reference)
    desk.do(proposals.assignment(third.reference, reviewer="rita"), signer=office.keys["eve"])
    office.decide(third.reference, "refuse", person="rita")
    office.withdraw(third.reference)
    desk.do(PersonChanged(name="una", withdraw=("evaluator",)), signer=sam)
    desk.do(KeyRetired(key=rob.public.fingerprint, reason="lost"), signer=sam)
    return office.registry
