"""A version as a W&B artefact: the run's folder holds exactly the version's files."""

from pathlib import Path

import pytest

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.pipeline.publishing.wandb import WandbCopy, check_run, publish_to_wandb, read_log
from civicbench.registry.registry import Registry


@pytest.fixture(scope="module")
def copied(smoke_home: Path, tmp_path_factory: pytest.TempPathFactory) -> WandbCopy:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICBENCH_HOME", str(smoke_home))
        patch.delenv("WANDB_API_KEY", raising=False)
        patch.delenv("WANDB_DATA_DIR", raising=False)
        return publish_to_wandb(
            "smoke",
            project="tests",
            folder=tmp_path_factory.mktemp("wandb"),
            workspace=Workspace(smoke_home),
            reporter=Reporter(live=False),
        )


def version_files(home: Path) -> dict[str, str]:
    with Registry.open(Workspace(home)) as registry:
        paths = registry.artefact_paths("smoke")
    return {name: digest_file(path) for name, path in paths.items()}


def test_the_folder_holds_every_file_of_the_version(copied: WandbCopy, smoke_home: Path) -> None:
    own = version_files(smoke_home)
    assert copied.folder.name.startswith("offline-run-")
    assert copied.files == len(own) + 2  # the card, twice
    kept = {
        digest_file(path)
        for path in (copied.folder.parents[1] / "wandb-data").rglob("*")
        if path.is_file()
    }
    # They wait beside the run, so that it can be carried elsewhere and sent from there.
    assert set(own.values()) <= kept


@pytest.mark.parametrize("change", ["missing", "added", "other bytes"])
def test_a_folder_that_differs_is_caught(copied: WandbCopy, smoke_home: Path, change: str) -> None:
    files = {**version_files(smoke_home)}
    if change == "missing":
        files["more.txt"] = "0" * 64
    elif change == "added":
        files.pop("evidence.json")
    else:
        files = dict.fromkeys(files, "0" * 64)
        files |= {f"card/{name}": "0" * 64 for name in ("card.md", "card.html")}
    with pytest.raises(IntegrityError):
        check_run(copied.folder, artefact=copied.artefact, files=files)
    with pytest.raises(IntegrityError, match="no such artefact"):
        check_run(copied.folder, artefact="another", files=files)


def test_a_log_that_was_changed_or_cut_is_caught(copied: WandbCopy) -> None:
    (path,) = copied.folder.glob("*.wandb")
    content = path.read_bytes()
    records = list(read_log(content, where="log"))
    assert len(records) > 3
    assert sum(map(len, records)) < len(content)
    middle = len(content) // 2
    broken = (
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        content[:-1],
        content[:10],
        b"text" + content[4:],
    )
    for text in broken:
        with pytest.raises(IntegrityError):
            list(read_log(text, where="log"))
