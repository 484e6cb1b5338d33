"""The record filled in, the dossier written and checked, by commands, on a version that was run."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from civicbench.core.workspace import Workspace
from civicbench.registry.chain import current_actor
from civicbench.registry.decisions.kinds import PersonAdded
from civicbench.registry.decisions.people import enrolment
from civicbench.registry.registry import Registry
from civicbench.registry.signing.key_files import KeyFolder

PASSPHRASE = "correct horse battery"


@pytest.fixture
def office(smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the home in which the smoke version was run, with people who have keys."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(smoke_home / "store", home / "store")
    shutil.copyfile(smoke_home / "registry.db", home / "registry.db")
    monkeypatch.setenv("CIVICBENCH_KEYS", str(tmp_path / "keys"))
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    with Registry.open(Workspace(home)) as opened:
        people = (("eve", "evaluator"), ("olwen", "senior-responsible-owner"))
        for name, role in people:
            accounts = (current_actor(),) if name == "eve" else ()
            opened.desk.do(
                PersonAdded(name=name, full_name=name, accounts=accounts, roles=(role,)),
                signer=None,
            )
            _, key = KeyFolder.locate().create(name, passphrase=PASSPHRASE)
            opened.desk.do(enrolment(key), signer=None)
    return home


def signed(office: Path, person: str) -> tuple[str, ...]:
    return ("--as", person, "--passphrase-file", str(office.parent / "passphrase"))


def test_a_record_is_filled_in_by_form_and_by_command(
    civicbench: Command, office: Path, tmp_path: Path
) -> None:
    before = civicbench("atrs", "show", "smoke", "--json", home=office).json
    assert "team" in before["missing"]
    assert "purpose" not in before
    done = civicbench("atrs", "export", "smoke", "--to", str(tmp_path / "atrs"), home=office)
    assert done.code == 0
    form = tmp_path / "atrs" / "atrs.yaml"
    form.write_text(form.read_text().replace("\nteam:\n", "\nteam: Digital advice\n"))
    edited = civicbench(
        "atrs", "edit", "smoke", "region=Wales", "--from", str(form), "--json",
        *signed(office, "eve"), home=office,
    ).json  # fmt: skip
    assert edited["written"] == ["region", "team"]
    assert len(edited["missing"]) == len(before["missing"]) - 2
    again = civicbench(
        "atrs", "edit", "smoke", "--from", str(form), "--json", *signed(office, "eve"), home=office
    ).json
    assert (again["written"], again["event"]) == ([], None)
    civicbench("atrs", "export", "smoke", "--to", str(tmp_path / "more"), home=office)
    rows = {row["key"]: row for row in csv.DictReader((tmp_path / "more/atrs.csv").open())}
    assert (rows["team"]["text"], rows["team"]["author"]) == ("Digital advice", "eve")
    assert civicbench("registry", "verify", home=office).code == 0
    cleared = civicbench(
        "atrs", "edit", "smoke", "--clear", "team", "--json", *signed(office, "eve"), home=office
    ).json
    assert "team" in cleared["missing"]
    shown = civicbench("atrs", "show", "smoke", "--missing", home=office).out
    assert "to be written" in shown
    assert "measured" not in shown


@pytest.mark.parametrize(("arguments", "said"), [
    (("atrs", "edit", "smoke", "taem=x"), "did you mean team"),
    (("atrs", "edit", "smoke", "model_name=x"), "is measured"),
    (("atrs", "edit", "smoke", "team"), "is no FIELD=TEXT"),
    (("atrs", "edit", "smoke"), "no field is written"),
    (("atrs", "edit", "smokee", "team=x"), "did you mean smoke"),
])  # fmt: skip
def test_bad_edits_are_refused_in_words(
    civicbench: Command, office: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = civicbench(*arguments, *signed(office, "eve"), home=office)
    assert done.code == 2
    assert said in done.err


def test_a_dossier_goes_out_and_is_checked_by_both_verifiers(
    civicbench: Command, office: Path, tmp_path: Path
) -> None:
    made = civicbench(
        "dossier", "export", "smoke", "--to", str(tmp_path / "out.zip"), "--json",
        *signed(office, "olwen"), home=office,
    ).json  # fmt: skip
    known = ["--key", made["key"], "--anchor", made["head"], "--version", made["version"]]
    found = civicbench("dossier", "verify", made["dossier"], "--json", *known)
    assert found.json["valid"] is True
    assert found.json["reference"] == "smoke:1"
    script = tmp_path / "verify.py"
    said = civicbench("dossier", "verifier", "--to", str(script)).out
    assert "sha256" in said
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), made["dossier"], *known, "--json"],
        cwd=tmp_path / "empty", env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout) == found.json
    content = bytearray(Path(made["dossier"]).read_bytes())
    content[len(content) // 2] ^= 1
    Path(made["dossier"]).write_bytes(content)
    broken = civicbench("dossier", "verify", made["dossier"])
    assert broken.code == 6
    assert broken.out.startswith("not valid: ")


@pytest.mark.parametrize(("arguments", "code"), [
    (("dossier", "verify", "absent.zip"), 2),
    (("dossier", "verify", __file__), 6),
    (("dossier", "verify", __file__, "--key", "xyz"), 2),
])  # fmt: skip
def test_what_is_no_dossier_ends_with_its_code(
    civicbench: Command, arguments: tuple[str, ...], code: int
) -> None:
    assert civicbench(*arguments).code == code


def test_a_wrong_passphrase_or_an_unknown_person_makes_no_dossier(
    civicbench: Command, office: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not this one\n")
    target = tmp_path / "none.zip"
    for options in (("--as", "eve", "--passphrase-file", str(wrong)), signed(office, "mallory")):
        done = civicbench("dossier", "export", "smoke", "--to", str(target), *options, home=office)
        assert done.code == 2, done.err
        assert not target.exists()
