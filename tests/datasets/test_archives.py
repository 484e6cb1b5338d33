"""One member of an archive: its bytes alone, and nothing of a hostile archive."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.datasets import archives
from civicbench.datasets.archives import extract_member

CONTENT = b"id,question\n1,Why?\n"
MEMBER = "data/rows.csv"


def write_zip(path: Path, members: dict[str, bytes], *, link: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link is not None:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, "/etc/passwd")
    return path


def write_tar(
    path: Path, members: dict[str, bytes], *, link: str | None = None, mode: str = "w:gz"
) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if link is not None:
            entry = tarfile.TarInfo(link)
            entry.type = tarfile.SYMTYPE
            entry.linkname = "/etc/passwd"
            archive.addfile(entry)
    return path


WRITERS = {"zip": write_zip, "tar.gz": write_tar}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / MEMBER


@pytest.mark.parametrize("kind", WRITERS)
def test_a_members_bytes_are_copied(tmp_path: Path, target: Path, kind: str) -> None:
    archive = WRITERS[kind](tmp_path / "a", {"other": b"x", MEMBER: CONTENT})
    assert extract_member(archive, MEMBER, target=target).read_bytes() == CONTENT
    archive.unlink()
    assert extract_member(archive, MEMBER, target=target) == target  # found done


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "name", ["../../escape", "/etc/passwd", "a/../../b", "..\\escape", "C:\\windows"]
)
def test_an_archive_with_a_path_that_leaves_it_is_refused_whole(
    tmp_path: Path, target: Path, kind: str, name: str
) -> None:
    archive = WRITERS[kind](tmp_path / "a", {name: b"x", MEMBER: CONTENT})
    with pytest.raises(InvalidInputError, match="a path that leaves its folder"):
        extract_member(archive, MEMBER, target=target)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [archive]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_link_is_refused(tmp_path: Path, target: Path, kind: str) -> None:
    archive = WRITERS[kind](tmp_path / "a", {}, link=MEMBER)
    with pytest.raises(InvalidInputError, match=r"link|no plain file"):
        extract_member(archive, MEMBER, target=target)
    assert not target.exists()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, target: Path, kind: str) -> None:
    archive = WRITERS[kind](tmp_path / "a", {MEMBER: bytes(64 << 20)})
    assert archive.stat().st_size < 1 << 20
    with pytest.raises(InvalidInputError, match="archive bomb"):
        extract_member(archive, MEMBER, target=target)
    assert list(target.parent.iterdir()) == []


def test_a_bomb_before_the_wanted_member_is_refused(tmp_path: Path, target: Path) -> None:
    archive = write_tar(tmp_path / "a", {"first": bytes(64 << 20), MEMBER: CONTENT})
    with pytest.raises(InvalidInputError, match="archive bomb"):
        extract_member(archive, MEMBER, target=target)


def test_too_many_members_are_refused(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAXIMUM_MEMBERS", 3)
    archive = write_zip(tmp_path / "a", {f"{n}": b"" for n in range(4)} | {MEMBER: CONTENT})
    with pytest.raises(InvalidInputError, match="too many members"):
        extract_member(archive, MEMBER, target=target)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_member_that_is_not_there_is_named(tmp_path: Path, target: Path, kind: str) -> None:
    archive = WRITERS[kind](tmp_path / "a", {"data/row.csv": CONTENT})
    with pytest.raises(InvalidInputError, match="no such member") as caught:
        extract_member(archive, MEMBER, target=target)
    assert "data/row.csv" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(IntegrityError):
        extract_member(tmp_path / "a", MEMBER, target=target)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_cut_archive_leaves_nothing_behind(tmp_path: Path, target: Path, kind: str) -> None:
    content = bytes(range(256)) * 4000
    archive = WRITERS[kind](tmp_path / "a", {MEMBER: content})
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises((IntegrityError, InvalidInputError)):
        extract_member(archive, MEMBER, target=target)
    assert not target.exists()
