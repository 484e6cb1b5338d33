"""What the house promises of itself."""

import re
import subprocess
import sys
from pathlib import Path

from civicbench import __version__

ROOT = Path(__file__).resolve().parents[1]
CONTENT = ("recipes", "datasets", "training", "evaluation", "configs", "slurm")
LONGEST_FILE_LINES = 320


def sources() -> list[Path]:
    return sorted((ROOT / "src").rglob("*.py"))


def test_content_folders_hold_no_python() -> None:
    found = [path for folder in CONTENT for path in (ROOT / folder).rglob("*.py")]
    assert not found


def test_hugging_faces_datasets_is_not_hidden_from_the_checkouts_root() -> None:
    script = "import datasets; print(datasets.__file__); datasets.load_dataset"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "site-packages" in done.stdout


def test_source_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE_LINES
    }
    assert not long


def test_nothing_is_left_unfinished() -> None:
    marks = re.compile(r"NotImplementedError|\bTODO\b|\bFIXME\b")
    assert not [path for path in sources() if marks.search(path.read_text())]


def test_no_pickle_no_eval_no_remote_code() -> None:
    forbidden = re.compile(r"^\s*import pickle|[^.\w]eval\(|trust_remote_code=True", re.MULTILINE)
    assert not [path for path in sources() if forbidden.search(path.read_text())]


def test_the_changelog_names_the_release() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert __version__ in changelog or "Unreleased" in changelog
