import hashlib
import resource
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicbench.core.digests import digest_file
from civicbench.core.errors import (
    DiskFullError,
    IntegrityError,
    InvalidInputError,
    PartAbsentError,
)
from civicbench.registry.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


@settings(max_examples=40, deadline=None)
@given(contents=st.lists(st.binary(max_size=2000), max_size=6))
def test_any_bytes_come_back_under_their_sha256(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        source = Path(folder) / "source"
        digests = []
        for content in contents:
            source.write_bytes(content)
            digests.append(store.put(source))
            assert store.put_bytes(content) == digests[-1] == hashlib.sha256(content).hexdigest()
        assert [store.get(digest).read_bytes() for digest in digests] == contents
        found = store.verify(digests)
        assert (found.changed, found.missing, found.foreign, found.leftovers) == ((), (), (), ())


def test_a_file_longer_than_one_piece_is_stored_whole(store: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "large").write_bytes(content)
    assert store.get(store.put(tmp_path / "large")).read_bytes() == content


def test_a_stored_file_is_read_only_and_fanned_out(store: Store) -> None:
    digest = store.put_bytes(b"weights")
    path = store.folder / digest[:2] / digest[2:]
    assert path.read_bytes() == b"weights"
    assert path.stat().st_mode & 0o222 == 0


def test_a_changed_file_is_named_and_never_handed_out(store: Store) -> None:
    digest = store.put_bytes(b"weights")
    overwrite(store.place(digest), b"weighty")
    with pytest.raises(IntegrityError, match="changed") as caught:
        store.get(digest)
    assert str(store.place(digest)) in str(caught.value)
    with pytest.raises(IntegrityError, match="changed"):
        store.put_bytes(b"weights")
    assert store.verify([digest]).changed == (digest,)


def test_a_missing_file_is_named(store: Store) -> None:
    kept, lost = store.put_bytes(b"kept"), store.put_bytes(b"lost")
    store.place(lost).unlink()
    with pytest.raises(IntegrityError, match="missing"):
        store.get(lost)
    assert store.verify([kept, lost]).missing == (lost,)


def test_foreign_files_and_leftovers_are_told_apart(store: Store, tmp_path: Path) -> None:
    named, orphan = store.put_bytes(b"named"), store.put_bytes(b"orphan")
    (store.folder / "notes.txt").write_text("not by us")
    (store.folder / "incoming" / "1-a.partial").write_bytes(b"half")
    target = tmp_path / "elsewhere"
    target.write_bytes(b"linked")
    linked = store.place(hashlib.sha256(b"linked").hexdigest())
    linked.parent.mkdir()
    linked.symlink_to(target)
    found = store.verify([named])
    assert set(found.foreign) == {"notes.txt", linked.relative_to(store.folder).as_posix()}
    assert set(found.leftovers) == {f"{orphan[:2]}/{orphan[2:]}", "incoming/1-a.partial"}
    assert found.changed == ()


def test_a_full_disk_leaves_nothing(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(b"x" * 200_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DiskFullError, match="no space"):
            store.put(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    assert store.get(store.put(source)).stat().st_size == 200_000


def test_a_source_that_changes_while_it_is_read_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "moving"
    source.write_bytes(b"before")

    def digest_then_change(path: Path) -> str:
        digest = digest_file(path)
        source.write_bytes(b"after")
        return digest

    monkeypatch.setattr("civicbench.registry.store.digest_file", digest_then_change)
    with pytest.raises(IntegrityError, match="changed while"):
        store.put(source)
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("digest", ["", "ab", "../../etc/passwd", "A" * 64, "g" * 64])
def test_only_a_digest_names_a_file(store: Store, digest: str) -> None:
    with pytest.raises(InvalidInputError, match="not a sha256"):
        store.get(digest)


def test_an_absent_source_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PartAbsentError, match="no such file"):
        store.put(tmp_path / "nothing")
    with pytest.raises(PartAbsentError, match="no such file"):
        store.put(tmp_path)
