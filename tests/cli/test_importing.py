"""A model that was trained elsewhere: imported as a draft, evaluated here, then like any other."""

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from civicbench.core.errors import ExitCode
from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry

ORIGIN = "Trained by the neighbouring council on its own letters, sent on 3 March 2026"
IMPORT = ("--base", "tiny-random", "--recipe", "smoke", "--origin", ORIGIN)


@pytest.fixture
def used(smoke_home: Path, tmp_path: Path) -> Path:
    """A copy of the workspace in which the smoke recipe was run, to work in."""
    return Path(shutil.copytree(smoke_home, tmp_path / "used", symlinks=True))


@pytest.fixture
def outside(used: Path, tmp_path: Path) -> Path:
    """The smoke recipe's adapter, as if somebody had sent it."""
    with Registry.open(Workspace(used)) as registry:
        laid_out = registry.lay_out("smoke", folder=tmp_path / "version")
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(laid_out / "adapter" / name, folder / name)
    return folder


def test_from_a_folder_to_an_evaluated_version(
    civicbench: Command, used: Path, outside: Path
) -> None:
    command = ("registry", "import", str(outside), *IMPORT, "--name", "borrowed")
    done = civicbench(*command, "--json", home=used)
    assert done.code == 0, done.err
    assert (done.json["version"]["reference"], done.json["version"]["state"]) == (
        "borrowed:1", "draft",
    )  # fmt: skip
    assert done.json["trained_elsewhere"]["origin"] == ORIGIN
    assert done.json["trained_elsewhere"]["said"]["base_model_name_or_path"] == "tiny-random"
    # A second time it is found, not doubled.
    again = civicbench(*command, "--json", home=used)
    assert again.json["version"] == done.json["version"]
    assert "found registered" in again.err

    evaluated = civicbench("registry", "evaluate", "borrowed:1", "--json", home=used)
    assert evaluated.code == 0, evaluated.err
    assert evaluated.json["version"]["state"] == "evaluated"
    assert evaluated.json["gate"]["standing"] == "registered before training"
    shown = civicbench("registry", "show", "borrowed:1", "--json", home=used).json
    assert shown["state"] == "superseded"
    # The same weights on the same items: what was measured is what the recipe's own run gave.
    ours = civicbench("registry", "show", "smoke", "--json", home=used).json["results"]
    theirs = civicbench("registry", "show", "borrowed", "--json", home=used).json["results"]
    assert theirs == ours
    card = Path(evaluated.json["card_html"]).read_text(encoding="utf-8")
    assert ORIGIN in card
    assert "trained elsewhere" in card
    assert "Seed" not in card
    assert civicbench("registry", "verify", home=used).code == 0
    twice = civicbench("registry", "evaluate", "borrowed:2", home=used)
    assert twice.code == ExitCode.INVALID_USE
    assert "no imported draft" in twice.err


def test_a_whole_model_is_imported_too(civicbench: Command, used: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    assert civicbench("export", "smoke", "--to", str(merged), home=used).code == 0
    for name in ("provenance.json", "LICENCE-DUTIES.txt"):
        (merged / name).unlink()
    command = ("registry", "import", str(merged), *IMPORT, "--name", "merged", "--json")
    made = civicbench(*command, home=used)
    assert made.code == 0, made.err
    assert made.json["trained_elsewhere"]["kind"] == "full"
    done = civicbench("registry", "evaluate", "merged", "--json", home=used)
    assert done.code == 0, done.err
    ours, theirs = (
        civicbench("registry", "show", name, "--json", home=used).json["results"]
        for name in ("smoke", "merged")
    )
    values = [[result["tuned"]["value"] for result in found] for found in (ours, theirs)]
    assert values[0] == values[1]


def refused(civicbench: Command, used: Path, *command: str) -> str:
    """Run an import that has to be refused, and see that the registry is as it was."""
    before = civicbench("registry", "verify", "--json", home=used).json
    done = civicbench("registry", "import", *command, home=used)
    assert done.code == ExitCode.INVALID_USE, done.err
    after = civicbench("registry", "verify", "--json", home=used).json
    assert (after["events"], after["versions"]) == (before["events"], before["versions"])
    return done.err


def test_an_adapter_of_another_base_is_refused(
    civicbench: Command, used: Path, outside: Path
) -> None:
    path = outside / "adapter_config.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "base_model_name_or_path": "meta-llama/Llama-3.2-1B"}))
    assert "Llama-3.2-1B" in refused(civicbench, used, str(outside), *IMPORT)


def test_pickles_code_and_links_are_refused(civicbench: Command, used: Path, outside: Path) -> None:
    (outside / "training_args.bin").write_bytes(b"x")
    (outside / "modeling.py").write_bytes(b"x")
    (outside / "tokenizer.json").symlink_to("/etc/passwd")
    said = refused(civicbench, used, str(outside), *IMPORT)
    for words in ("training_args.bin", "modeling.py", "a link"):
        assert words in said


def test_where_it_came_from_has_to_be_said(civicbench: Command, used: Path, outside: Path) -> None:
    command = (str(outside), "--base", "tiny-random", "--recipe", "smoke", "--origin", "  ")
    assert "--origin" in refused(civicbench, used, *command)


def test_a_base_that_is_not_in_the_catalogue_is_met_with_the_nearest(
    civicbench: Command, used: Path, outside: Path
) -> None:
    command = (str(outside), "--base", "tiny-randon", "--recipe", "smoke", "--origin", "x")
    assert "tiny-random" in refused(civicbench, used, *command)
