import hashlib
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from civicbench.core.errors import ExitCode

CONTENT = b"id\n1\n"


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of one file, which another mirror holds."""
    path = tmp_path / "other/example.org/a.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(tmp_path / "other"))
    digest = hashlib.sha256(CONTENT).hexdigest()
    listed = tmp_path / "list.tsv"
    listed.write_text(f"url\tsha256\tbytes\tlicence\nhttps://example.org/a.csv\t{digest}\t5\tMIT\n")
    return listed


def test_sync_check_and_list_with_their_codes(
    civicbench: Command, tmp_path: Path, manifest: Path
) -> None:
    folder = str(tmp_path / "new")
    done = civicbench("mirror", "sync", folder, "--manifest", str(manifest))
    assert done.code == ExitCode.DONE
    assert "1 files, 5 bytes: 1 copied" in done.out
    assert civicbench("mirror", "list", folder, "--json").json[0]["state"] == "there"
    assert civicbench("mirror", "check", folder).code == ExitCode.DONE
    (tmp_path / "new/example.org/a.csv").write_bytes(b"other")
    found = civicbench("mirror", "check", folder, "--json")
    assert found.code == ExitCode.INTEGRITY_FAILED
    assert found.json[0]["state"] == "wrong"
    (tmp_path / "new/example.org/a.csv").unlink()
    assert civicbench("mirror", "check", folder).code == ExitCode.PART_ABSENT


def test_nothing_named_is_a_wrong_use(civicbench: Command, tmp_path: Path) -> None:
    done = civicbench("mirror", "sync", str(tmp_path / "new"))
    assert done.code == ExitCode.INVALID_USE
    assert "name a --dataset" in done.err


@pytest.mark.parametrize("command", ["list", "check"])
def test_a_folder_that_is_no_mirror_says_how_to_fill_one(
    civicbench: Command, tmp_path: Path, command: str
) -> None:
    shown = civicbench("mirror", command, str(tmp_path / "none"))
    assert shown.code == 5
    assert "is no mirror: it has no MANIFEST.tsv" in shown.err
    assert f"civicbench mirror sync {tmp_path / 'none'} --dataset NAME" in shown.err
