import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_CONTENT = ("recipes", "datasets", "training", "evaluation", "configs", "slurm")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--quiet", "--disable-pip-version-check", "--wheel-dir", str(folder), str(_ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("civicbench-*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_carries_the_content_the_stylesheet_and_the_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in _CONTENT:
        for path in (_ROOT / folder).rglob("*"):
            if path.is_file():
                assert f"civicbench/content/{path.relative_to(_ROOT).as_posix()}" in names
    assert "civicbench/pages/assets/govuk.css" in names
    for path in (_ROOT / "src").rglob("*"):
        if path.suffix in {".py", ".html", ".md", ".css"}:
            assert path.relative_to(_ROOT / "src").as_posix() in names
    licences = [name for name in names if ".dist-info/licenses/" in name]
    assert {Path(name).name for name in licences} == {"LICENSE", "LICENSE-DATA"}
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"civicbench"}  # a `datasets` beside it would hide Hugging Face's
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_the_command_line_works_from_the_wheel_elsewhere(
    unpacked: Path, tmp_path: Path, home: Path
) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "civicbench", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(unpacked)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = {recipe["name"] for recipe in json.loads(run("recipes", "list", "--json"))}
    assert listed == {path.stem for path in (_ROOT / "recipes").glob("*.yaml")}
    findings = {finding["what"]: finding for finding in json.loads(run("doctor", "--json"))}
    assert findings["card's stylesheet"]["state"] == "good"
    ran = json.loads(run("run", "smoke", "--json"))
    assert Path(ran["card_html"]).is_relative_to(home)
    assert list(tmp_path.iterdir()) == [home]
    where = subprocess.run(
        [sys.executable, "-c", "import civicbench, datasets; print(civicbench.__file__)"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(unpacked)
