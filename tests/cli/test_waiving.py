"""A recipe on a Llama for a barred use: held up until a named person waives the clause."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.conftest import Command

from civicbench.core.content import shipped_content_root
from civicbench.core.errors import ExitCode

PASSPHRASE = "four quiet words here"
GATE = """\
name: duties
title: The licence is kept
rules:
  - {name: licence kept, kind: licence, reason: It binds us., licensee_in: UK}
"""
RECIPE = """\
extends: smoke
name: guarded
model: llama-like
gate: duties
sectors: [critical-infrastructure, translation]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose base is the tiny random model under Llama 3.2's licence."""
    folder = tmp_path / "project"
    for name in ("recipes", "configs/gates", "configs/models", "configs/licences"):
        (folder / name).mkdir(parents=True)
    models = shipped_content_root() / "configs/models"
    tiny, llama = (
        yaml.safe_load((models / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("tiny-random", "llama-3.2-1b-instruct")
    )
    entry = {**tiny, "name": "llama-like", "licence": llama["licence"]}
    text = yaml.safe_dump(entry, allow_unicode=True)
    (folder / "configs/models/llama-like.yaml").write_text(text, encoding="utf-8")
    (folder / "configs/licences/llama-3.2-community.txt").write_text("The agreement.\n")
    (folder / "configs/gates/duties.yaml").write_text(GATE)
    (folder / "recipes/guarded.yaml").write_text(RECIPE)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CIVICBENCH_KEYS", str(tmp_path / "keys"))
    return folder


def checks(outcome: Any) -> list[dict[str, str]]:
    """Every check of every rule of a run's gate."""
    return [check for rule in outcome["gate"]["rules"] for check in rule["checks"]]


def test_from_held_up_to_waived(
    civicbench: Command, project: Path, home: Path, tmp_path: Path
) -> None:
    held = civicbench("run", "guarded", "--json", home=home)
    assert held.code == ExitCode.GATE_FAILED, held.err
    (unmet,) = [check for check in checks(held.json) if check["outcome"] != "met"]
    assert unmet["asked"].startswith("critical-infrastructure")
    assert "no waiver is in force" in unmet["found"]

    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    signed = ("--as", "sam", "--passphrase-file", str(secret))
    waive = (
        "registry", "waive", "guarded", "--clause", "critical-infrastructure",
        "--reason", "It reads shift logs; nothing is operated by it.", "--until", "2099-12-31",
    )  # fmt: skip
    unknown = civicbench(*waive, *signed, home=home)
    assert unknown.code == ExitCode.INVALID_USE
    role = ("--role", "senior-responsible-owner")
    assert civicbench("people", "add", "sam", "--full-name", "Sam", *role, home=home).code == 0
    made = civicbench("keys", "new", "sam", "--passphrase-file", str(secret), home=home)
    assert made.code == 0, made.err
    given = civicbench(*waive, *signed, "--json", home=home)
    assert given.code == 0, given.err
    assert given.json["model"] == "Llama-guarded"
    assert given.json["sectors"] == ["critical-infrastructure"]
    [listed] = civicbench("registry", "waivers", "--json", home=home).json
    assert listed == given.json

    done = civicbench("run", "guarded", "--json", home=home)
    assert done.code == 0, done.err
    said = " ".join(check["found"] for check in checks(done.json))
    assert "waived by sam as senior responsible owner until 2099-12-31" in said
    version = civicbench("registry", "show", "Llama-guarded", "--json", home=home).json
    assert version["number"] == 2
    assert given.json["event"][:12] in json.dumps(version["rules"])
    assert civicbench("registry", "verify", home=home).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("guarded", "--clause", "nuclear"), "do not touch"),
        (("guarded", "--clause", "critical-infra"), "did you mean critical-infrastructure"),
        (("smoke", "--clause", "military"), "no use policy"),
        (("guarded", "--clause", "critical-infrastructure", "--until", "2020-01-01"), "has passed"),
    ],
)
def test_what_cannot_be_waived_is_refused_before_anybody_signs(
    civicbench: Command, project: Path, home: Path, arguments: tuple[str, ...], words: str
) -> None:
    rest = ("--reason", "x", "--as", "sam")
    until = () if "--until" in arguments else ("--until", "2099-12-31")
    done = civicbench("registry", "waive", *arguments, *until, *rest, home=home)
    assert done.code == ExitCode.INVALID_USE
    assert words in done.err
    assert not (home / "registry.db").exists()
