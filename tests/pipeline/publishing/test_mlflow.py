"""A version in MLflow: a copy that is found again, on files and on a real server."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from civicbench.core.digests import digest_file
from civicbench.core.errors import PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models import loading
from civicbench.pipeline.publishing.mlflow import MlflowCopy, publish_to_mlflow
from civicbench.registry.registry import Registry

mlflow = pytest.importorskip("mlflow")
# The whole of MLflow, which its server needs, does not fit beside what is pinned here.
SERVER = os.environ.get("MLFLOW_PYTHON")
MAKE = os.environ.get("MLFLOW", "") not in {"", "0"}


def publish(home: Path, address: str | None) -> MlflowCopy:
    return publish_to_mlflow(
        "smoke",
        address=address,
        name=None,
        workspace=Workspace(home),
        reporter=Reporter(live=False),
    )


def check_copy(home: Path, address: str, made: MlflowCopy, folder: Path) -> None:
    """Hold what MLflow has to the registry: every file, every result, the digest."""
    client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
    version = client.get_model_version(made.name, made.number)
    with Registry.open(Workspace(home)) as registry:
        shown = registry.show("smoke")
        files = registry.artefact_paths("smoke")
        evidence = registry.load_evidence("smoke")
    assert version.tags["civicbench.digest"] == shown.digest
    assert version.tags["civicbench.state"] == shown.state
    assert version.tags["civicbench.gate_standing"] == "registered before training"
    assert shown.digest in version.description
    assert version.run_id == made.run
    run = client.get_run(made.run)
    (first, *_) = evidence.comparisons
    place = f"{first.suite}/{first.task}/{first.metric}"
    assert run.data.metrics[f"{place}/tuned"] == first.tuned.value
    assert run.data.metrics[f"{place}/difference_low"] == first.difference.low
    assert run.data.params["training.rank"] == "4"
    assert run.info.status == "FINISHED"
    folder.mkdir()
    fetched = Path(client.download_artifacts(made.run, "version", str(folder)))
    for name, path in files.items():
        assert digest_file(fetched / name) == digest_file(path), name
    assert (fetched / "card/card.md").is_file()


def test_a_copy_on_files_is_whole_and_found_again(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    address = (tmp_path / "mlflow").as_uri()
    made = publish(smoke_home, address)
    assert (made.name, made.number, made.reused) == ("smoke", "1", False)
    check_copy(smoke_home, address, made, tmp_path / "fetched")
    again = publish(smoke_home, address)
    assert (again.number, again.run, again.reused) == (made.number, made.run, True)
    # Nothing is written where the command happens to run.
    assert not (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / "mlruns").exists()


def test_without_address_server_or_package_it_says_so(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(PartAbsentError, match="no MLflow is named"):
        publish(smoke_home, None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(PartAbsentError, match="did not take the version"):
        publish(smoke_home, f"http://127.0.0.1:{free_port()}")

    def absent(name: str, *, extra: str) -> None:
        raise PartAbsentError(f"the package {name} is not installed", remedy=extra)

    monkeypatch.setattr(loading, "require_package", absent)
    monkeypatch.setattr("civicbench.pipeline.publishing.mlflow.require_package", absent)
    with pytest.raises(PartAbsentError, match="not installed"):
        publish(smoke_home, "http://127.0.0.1:1")


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port


@pytest.fixture
def server_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all of MLflow: the one that is named, or an environment made for it."""
    if SERVER is not None:
        return SERVER
    folder = tmp_path_factory.mktemp("mlflow-server")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", f"mlflow=={mlflow.__version__}"]
    subprocess.run(install, check=True, env={**os.environ, "PYTHONPATH": ""})
    return python


@pytest.fixture
def server(server_python: str, tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on SQLite, on loopback."""
    folder = tmp_path / "server"
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(
        [
            server_python, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination", str(folder / "artefacts"),
        ],
        cwd=folder,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": ""},
        stdout=(folder / "log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.3)
        else:
            pytest.fail((folder / "log").read_text())
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
@pytest.mark.skipif(
    SERVER is None and not MAKE,
    reason="MLFLOW=1 makes an environment for the server, MLFLOW_PYTHON names one",
)
def test_a_real_server_on_sqlite_takes_the_version_once(
    server: str, smoke_home: Path, tmp_path: Path
) -> None:
    made = publish(smoke_home, server)
    assert not made.reused
    check_copy(smoke_home, server, made, tmp_path / "fetched")
    assert publish(smoke_home, server) == MlflowCopy(made.name, made.number, made.run, reused=True)
