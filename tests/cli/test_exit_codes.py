import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from civicbench.core.errors import ExitCode

_STRICT_GATE = """
name: strict
title: Not to be met
rules:
  - {name: beyond, reason: For a test., suite: smoke, task: colour, of: tuned,
     judged_by: estimate, at_least: 1.5}
"""


def test_the_codes_are_a_contract() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "INTERNAL_ERROR": 1,
        "INVALID_USE": 2,
        "GATE_FAILED": 3,
        "WAITING_FOR_DECISION": 4,
        "PART_ABSENT": 5,
        "INTEGRITY_FAILED": 6,
        "TRY_AGAIN": 75,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("recipes validate smoke", 0, ""),
        ("", 2, "[OPTIONS] COMMAND [ARGS]..."),
        ("trian smoke", 2, "No such command 'trian'"),
        ("recipes lst", 2, "No such command 'lst'"),
        ("run", 2, "Missing argument 'RECIPE'"),
        ("recipes list --jsn", 2, "No such option"),
        ("chat tiny-random --max-new-tokens 0", 2, "x>=1"),
        ("chat tiny-random --temperature -1", 2, "x>=0"),
        ("datasets show smoke --samples -1", 2, "x>=0"),
        ("run smok", 2, "did you mean smoke?"),
        ("plan smoke training.rnk=4", 2, "did you mean rank?"),
        ("run smoke training.rank", 2, "an override must read key.path=value"),
        ("recipes validate smoke smok", 2, "did you mean smoke?"),
        ("datasets show smok", 2, "did you mean smoke?"),
        ("datasets build smok", 2, "did you mean smoke?"),
        ("models show tiny-randon", 2, "did you mean tiny-random?"),
        ("models fetch tiny-randon", 2, "did you mean tiny-random?"),
        ("run none.yaml", 5, "no such file"),
        ("registry list", 5, "there is no registry yet"),
        ("registry show smoke", 5, "there is no registry yet"),
        ("registry verify", 5, "there is no registry yet"),
        ("card smoke", 5, "there is no registry yet"),
        ("compare smoke smoke", 5, "there is no registry yet"),
        ("chat tiny-randon", 5, "there is no registry yet"),
        ("--offline models fetch smollm2-135m-instruct", 5, "offline mode is on"),
        ("--offline models fetch llama-3.2-1b-instruct", 5, "offline mode is on"),
        ("--offline chat smollm2-135m-instruct", 5, "offline mode is on"),
        ("--offline train enquiry-triage", 5, "offline mode is on"),
    ],
)
def test_each_error_has_its_code_and_says_what_is_wrong(
    civicbench: Command, arguments: str, code: int, says: str
) -> None:
    done = civicbench(*arguments.split())
    assert (done.code, done.err if code == 0 else "") == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_recipe_for_machines_that_are_not_here_is_refused_before_work(
    civicbench: Command, home: Path
) -> None:
    done = civicbench("run", "smoke", "hardware.devices=64", "hardware.memory_gb=80")
    assert done.code == 5
    assert "GPUs with 80 GB" in done.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("registry show smok", "did you mean smoke?"),
        ("registry show smoke:9", "smoke:9"),
        ("card smok", "did you mean smoke?"),
        ("compare smoke smok", "did you mean smoke?"),
        ("chat smok", "did you mean smoke?"),
    ],
)
def test_an_unknown_version_is_invalid_use(
    civicbench: Command, smoke_home: Path, arguments: str, says: str
) -> None:
    done = civicbench(*arguments.split(), home=smoke_home)
    assert done.code == 2
    assert says in done.err


def test_a_gate_that_is_not_met_is_3_and_the_version_is_registered(
    civicbench: Command, smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    shutil.copytree(smoke_home, home)
    (project / "recipes").mkdir(parents=True)
    (project / "configs" / "gates").mkdir(parents=True)
    (project / "configs" / "gates" / "strict.yaml").write_text(_STRICT_GATE)
    recipe = "extends: smoke\nname: strict\ngate: strict\n"
    (project / "recipes" / "strict.yaml").write_text(recipe)
    monkeypatch.chdir(project)
    done = civicbench("run", "strict", "--json")
    assert done.code == 3
    assert "gate is not met" in done.err
    assert "beyond" in done.err
    assert not done.json["gate"]["passed"]
    assert Path(done.json["card_html"]).is_file()
    assert ": started under" not in done.err  # nothing was trained or scored again
    [strict] = [v for v in civicbench("registry", "list", "--json").json if v["model"] == "strict"]
    assert not strict["gate_passed"]


def test_a_changed_file_is_6(civicbench: Command, smoke_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(smoke_home, home)
    assert civicbench("registry", "verify", home=home).code == 0
    [adapter] = [
        artefact
        for artefact in civicbench("registry", "show", "smoke", "--json", home=home).json[
            "artefacts"
        ]
        if artefact["path"].endswith(".safetensors")
    ]
    [stored] = [
        path
        for path in (home / "store").rglob("*")
        if path.is_file() and path.parent.name + path.name == adapter["digest"]
    ]
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes()[:-1] + b"\x00\x00")
    for arguments in (["registry", "verify"], ["chat", "smoke"]):
        done = civicbench(*arguments, home=home, typed="hello\n")
        assert done.code == 6, done
        assert stored.name in done.err or adapter["digest"][:12] in done.err
    output = next((home / "scores").glob("*/items.jsonl"))
    output.unlink()
    assert civicbench("evaluate", "smoke", home=home).code == 6


def test_a_workspace_that_cannot_stand_is_5(civicbench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "deep"):
        done = civicbench("datasets", "build", "smoke", home=home)
        assert done.code == 5
        assert "CIVICBENCH_HOME" in done.err
        found = civicbench("doctor", "--json", home=home).json
        [workspace] = [finding for finding in found if finding["what"] == "workspace"]
        assert workspace["state"] == "bad"


def test_an_error_of_our_own_is_1_with_a_traceback(
    civicbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("civicbench.recipes.loading.list_recipes", fail)
    done = civicbench("recipes", "list")
    assert done.code == 1
    assert "ZeroDivisionError: ours" in done.err
    assert "please report this" in done.err


def test_an_interrupt_is_130(civicbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("civicbench.recipes.loading.list_recipes", interrupt)
    done = civicbench("recipes", "list")
    assert done.code == 130
    assert "Traceback" not in done.err


def test_a_reader_that_has_gone_is_no_internal_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "civicbench", "recipes", "show", "smoke"],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
