"""One way to write an archive: what else is in its bytes is refused, large files included."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicbench.cards.dossier import writing
from civicbench.cards.dossier.writing import write_archive
from civicbench.cards.verifier import archive
from civicbench.cards.verifier.archive import read_archive, read_entry, safe_name
from civicbench.cards.verifier.fault import FaultError
from civicbench.core.errors import InvalidInputError

NAMES = ("a", "b/c", "b/d.json", "version/e-f_g.txt")


def write(path: Path, contents: dict[str, bytes]) -> Path:
    path.unlink(missing_ok=True)
    write_archive(path, dict(contents))
    return path


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=200), min_size=0, max_size=4))
def test_what_is_written_is_read_by_us_and_by_zipfile(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    contents = dict(zip(NAMES, parts, strict=False))
    path = write(tmp_path_factory.mktemp("zip") / "x.zip", contents)
    with path.open("rb") as stream:
        entries = read_archive(stream)
        assert {e.name: b"".join(read_entry(stream, e)) for e in entries} == contents
    with zipfile.ZipFile(path) as other:
        assert {name: other.read(name) for name in other.namelist()} == contents


def test_a_file_is_taken_from_disk_as_from_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    write_archive(tmp_path / "one.zip", {"a": tmp_path / "f"})
    write_archive(tmp_path / "two.zip", {"a": b"content"})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_large_files_and_places_get_the_wide_fields_that_zipfile_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 4 GiB in small: above 1,000 bytes a field counts as full.
    monkeypatch.setattr(archive, "_FULL32", 1_000)
    contents = {"small": b"s" * 10, "large": b"l" * 3_000, "late": b"z" * 20}
    path = write(tmp_path / "wide.zip", contents)
    raw = path.read_bytes()
    with path.open("rb") as stream:
        entries = read_archive(stream)
        assert {e.name: b"".join(read_entry(stream, e)) for e in entries} == contents
    # zipfile looks for the real mark of a full field.
    full = (1_000).to_bytes(4, "little")
    assert raw.count(full) >= 6
    (tmp_path / "real.zip").write_bytes(raw.replace(full, b"\xff\xff\xff\xff"))
    with zipfile.ZipFile(tmp_path / "real.zip") as other:
        assert {name: other.read(name) for name in other.namelist()} == contents


@pytest.mark.parametrize("name", [
    "", ".", "..", "../a", "a/..", "a/../b", "/a", "a//b", "a/", "./a", "a/.", "a\\b", "C:a", "a b",
    "a\n", "ä", "-a", "~a", "a" * 501, "a\x00b",
])  # fmt: skip
def test_names_that_could_lead_elsewhere_are_refused_at_both_ends(
    tmp_path: Path, name: str
) -> None:
    assert not safe_name(name)
    with pytest.raises(InvalidInputError):
        write_archive(tmp_path / "x.zip", {name: b""})
    assert list(tmp_path.iterdir()) == []
    if name.isascii():
        # As somebody with a writer of their own would.
        writing._write(tmp_path / "y.zip", {name: b"evil"})
        with (tmp_path / "y.zip").open("rb") as stream, pytest.raises(FaultError) as caught:
            read_archive(stream)
        assert "no plain path" in str(caught.value)


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.zip", {"a": b"", "a/b": b""})
    with path.open("rb") as stream, pytest.raises(FaultError) as caught:
        read_archive(stream)
    assert "file for a folder" in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("junk") / "x.zip"
    path.write_bytes(content + b"PK\x05\x06" + content[:18].ljust(18, b"\x00"))
    with path.open("rb") as stream:
        try:
            read_archive(stream)
        except FaultError:
            return
    assert content == b""
