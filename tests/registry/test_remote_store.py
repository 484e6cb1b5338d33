"""The store at an address of fsspec's: the same promises as in a folder."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from tests.registry.factory import make_evidence, make_files

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry
from civicbench.registry.remote_store import RemoteStore
from civicbench.registry.sharing import share_registry


@pytest.fixture(params=["memory", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path / 'bucket'}"
        return
    found = f"memory://{uuid.uuid4().hex}"
    yield found
    fsspec.filesystem("memory").rm(found, recursive=True)


@pytest.fixture
def store(address: str, tmp_path: Path) -> RemoteStore:
    return RemoteStore(address, cache=tmp_path / "cache")


def overwrite(store: RemoteStore, digest: str, content: bytes) -> None:
    files, root = fsspec.core.url_to_fs(store.address)
    path = f"{root}/{digest[:2]}/{digest[2:]}"
    if isinstance(files, fsspec.implementations.local.LocalFileSystem):
        Path(path).chmod(0o644)
    files.pipe_file(path, content)


def test_what_is_put_comes_back_on_another_machine(
    store: RemoteStore, address: str, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_bytes(b"weights" * 400_000)
    digests = [store.put(tmp_path / "weights"), store.put_bytes(b"evidence")]
    other = RemoteStore(address, cache=tmp_path / "other")
    assert other.get(digests[0]).read_bytes() == (tmp_path / "weights").read_bytes()
    assert other.get(digests[1]).read_bytes() == b"evidence"
    assert other.put_bytes(b"evidence") == digests[1]
    assert (other.size_bytes(digests[1]), other.size_bytes("0" * 64)) == (8, None)
    found = other.verify(digests)
    assert (found.changed, found.missing, found.foreign, found.leftovers) == ((), (), (), ())


def test_what_was_changed_or_lost_there_is_named_and_not_handed_out(
    store: RemoteStore, address: str, tmp_path: Path
) -> None:
    changed, orphan = store.put_bytes(b"weights"), store.put_bytes(b"orphan")
    overwrite(store, changed, b"weighty")
    fresh = RemoteStore(address, cache=tmp_path / "fresh")
    with pytest.raises(IntegrityError, match="changed in the store"):
        fresh.get(changed)
    with pytest.raises(IntegrityError, match="changed in the store"):
        fresh.put_bytes(b"weights")
    with pytest.raises(IntegrityError, match="missing from the store"):
        fresh.get("0" * 64)
    assert not [path for path in (tmp_path / "fresh").rglob("*") if path.is_file()]
    files, root = fsspec.core.url_to_fs(address)
    files.pipe_file(f"{root}/notes.txt", b"not ours")
    found = fresh.verify([changed, "0" * 64])
    assert (found.changed, found.missing) == ((changed,), ("0" * 64,))
    assert found.foreign == ("notes.txt",)
    assert found.leftovers == (f"{orphan[:2]}/{orphan[2:]}",)


def test_a_fetched_file_that_was_changed_here_is_fetched_again(store: RemoteStore) -> None:
    digest = store.put_bytes(b"weights")
    place = store.get(digest)
    place.chmod(0o644)
    place.write_bytes(b"weighty")
    assert store.get(digest).read_bytes() == b"weights"


def test_a_registry_keeps_its_files_there(
    address: str, tmp_path: Path, bare_workspace: Workspace
) -> None:
    shared = share_registry(bare_workspace, url=None, files=address)
    assert "address" not in (shared.home / "registry.yaml").read_text()
    with Registry.open_or_initialise(shared, reporter=Reporter(live=False)) as registry:
        evidence, measurements = make_evidence(0)
        version = registry.register(
            evidence, measurements=measurements, files=make_files(tmp_path / "files")
        )
        laid = registry.lay_out(version.digest, folder=tmp_path / "out")
        assert (laid / "adapter/adapter_model.safetensors").stat().st_size == 4096
        assert registry.verify().files == 4
        overwrite(RemoteStore(address, cache=tmp_path / "x"), version.digest, b"{}")
        with pytest.raises(IntegrityError, match="changed: the store's file"):
            registry.verify()


@pytest.mark.parametrize(
    ("url", "error"),
    [("nosuch://bucket/x", InvalidInputError), ("gs://bucket/x", PartAbsentError)],
)
def test_an_address_that_nothing_reads_is_refused(
    url: str, error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        RemoteStore(url, cache=tmp_path)


def test_no_password_is_written_down(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(InvalidInputError, match="holds a password") as caught:
        share_registry(workspace, url="postgresql://me:secret@host/db", files=None)
    assert "secret" not in str(caught.value)
    assert not list(tmp_path.iterdir())
