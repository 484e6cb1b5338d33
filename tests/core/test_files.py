import contextlib
import errno
import os
import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.core.errors import DiskFullError, PartAbsentError
from civicbench.core.files import (
    disk_errors_explained,
    rename_folder_whole,
    write_bytes_whole,
    write_json_whole,
    write_text_whole,
)


@contextlib.contextmanager
def _no_room(limit_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a limit: what a full disk is to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(contents=st.lists(st.binary(max_size=4096), min_size=1, max_size=4))
def test_a_file_is_what_was_written_last_and_nothing_is_left_beside_it(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("files") / "new" / "deep" / "file.bin"
    for content in contents:
        write_bytes_whole(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(b"before")
    with _no_room(4096):
        for path in (old, new):
            with pytest.raises(DiskFullError, match="no space left to write") as caught:
                write_text_whole(path, "x" * 10_000)
            assert str(path) in str(caught.value)
            assert "CIVICBENCH_HOME" in str(caught.value.remedy)
    assert old.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [old]


def test_an_interrupted_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text_whole(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_and_other_writers_never_see_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    contents = [letter * 200_000 for letter in (b"a", b"b", b"c")]
    write_bytes_whole(path, contents[0])
    done = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    def write(content: bytes) -> None:
        for _ in range(20):
            write_bytes_whole(path, content)

    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read)
        try:
            list(pool.map(write, contents))  # raises what a writer raised
        finally:
            done.set()
        reader.result()
    assert seen <= set(contents)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, DiskFullError, "no space left"),
        (errno.EDQUOT, DiskFullError, "no space left"),
        (errno.EACCES, PartAbsentError, "may not be written"),
        (errno.EROFS, PartAbsentError, "may not be written"),
        (errno.ENOTDIR, PartAbsentError, "no folder can stand there"),
        (errno.EEXIST, PartAbsentError, "no folder can stand there"),
        (errno.ENAMETOOLONG, PartAbsentError, "no folder can stand there"),
    ],
)
def test_disk_errors_say_what_to_do(number: int, kind: type[PartAbsentError], says: str) -> None:
    with pytest.raises(kind, match=says) as caught, disk_errors_explained("/some/place"):
        raise OSError(number, os.strerror(number))
    assert caught.value.where == "/some/place"
    assert os.strerror(number) in str(caught.value.got)
    assert caught.value.remedy


def test_other_errors_are_not_disguised() -> None:
    with pytest.raises(OSError, match="Input/output") as caught, disk_errors_explained("/place"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert caught.value.errno == errno.EIO


def test_a_file_where_a_folder_is_needed_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.json", tmp_path / "file" / "deep" / "x.json"):
        with pytest.raises(PartAbsentError, match="no folder can stand there"):
            write_json_whole(path, {})


def test_json_is_written_the_same_whatever_the_order_of_keys(tmp_path: Path) -> None:
    write_json_whole(tmp_path / "one.json", {"a": 1, "b": "é"})
    write_json_whole(tmp_path / "other.json", {"b": "é", "a": 1})
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    with pytest.raises(ValueError, match="Out of range"):
        write_json_whole(tmp_path / "nan.json", {"loss": float("nan")})
    assert not (tmp_path / "nan.json").exists()


def test_a_folder_is_put_into_place_whole(tmp_path: Path) -> None:
    partial, final = tmp_path / "x.partial", tmp_path / "deep" / "x"
    (partial / "in").mkdir(parents=True)
    (partial / "in" / "file").write_text("content")
    rename_folder_whole(partial, final)
    assert (final / "in" / "file").read_text() == "content"
    assert not partial.exists()
