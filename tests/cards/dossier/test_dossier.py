"""A dossier is checked with nothing but Python, and says on what the check stands."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.registry.decided import key_of

from civicbench.cards.dossier.export import ExportedDossier, export_dossier
from civicbench.cards.verifier.assembling import assemble_verifier, verifier_digest
from civicbench.core.errors import InvalidInputError
from civicbench.registry.anchors import make_anchor, write_anchor
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.registry import Registry
from civicbench.registry.versions import ChainHead

# The system's own interpreter, not the one that Civicbench is installed in.
PYTHON = next(
    place
    for place in ("/usr/bin/python3", shutil.which("python3"))
    if place and Path(place).is_file()
)


def alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run verify.py in an empty folder, without site-packages and without the environment."""
    folder.mkdir(exist_ok=True)
    script = folder / "verify.py"
    script.write_text(assemble_verifier(), "utf-8")
    return subprocess.run(
        [PYTHON, "-I", "-S", "verify.py", *arguments],
        cwd=folder, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_dossier_is_valid_on_a_machine_with_nothing_else(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    done = alone(tmp_path / "empty", str(dossier.path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"valid: enquiry-triage:1, version {dossier.version.digest}\n")
    assert "state: live (the live version)" in done.stdout
    assert (
        f"version decided: approve: rhian as reviewer, key {key_of('rhian').public.fingerprint}"
        in (done.stdout)
    )
    assert "NOT proven" in done.stdout
    assert "that rhian signed" in done.stdout
    assert "--anchor" in done.stdout
    assert alone(tmp_path / "empty", str(dossier.path), "--strict").returncode == 4


def test_what_is_known_from_elsewhere_proves_the_rest(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    known = [f"--key={key_of(name).public.fingerprint}" for name in ("rhian", "eve", "olwen")]
    done = alone(
        tmp_path / "empty", str(dossier.path), *known, "--anchor", dossier.head,
        "--version", dossier.version.digest, "--strict", "--json",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["not_proven"] == []
    assert done.returncode == 0
    assert len(found["proven"]) == 5


@pytest.mark.parametrize(("option", "said"), [
    ("--key", "nothing here is signed by the key"), ("--anchor", "does not hold the head"),
    ("--version", "is not the version"),
])  # fmt: skip
def test_what_does_not_fit_what_is_known_is_not_valid(
    dossier: ExportedDossier, tmp_path: Path, option: str, said: str
) -> None:
    done = alone(tmp_path / "empty", str(dossier.path), option, "ab" * 32)
    assert done.returncode == 6
    assert done.stdout.startswith("not valid: ")
    assert said in done.stdout


def test_an_earlier_head_is_an_anchor_too_and_says_how_far_it_reaches(
    dossier: ExportedDossier, registry: Registry, tmp_path: Path
) -> None:
    earlier = registry.events()[5].digest
    done = alone(tmp_path / "empty", str(dossier.path), "--anchor", earlier)
    assert done.returncode == 0
    assert "up to event 6" in done.stdout
    assert "the events after the head" in done.stdout


def test_a_checkpoint_that_was_kept_is_an_anchor_and_a_forged_one_is_none(
    dossier: ExportedDossier, registry: Registry, tmp_path: Path
) -> None:
    head = ChainHead(sequence=len(registry.events()), digest=dossier.head)
    kept, forged = tmp_path / "kept.json", tmp_path / "forged.json"
    write_anchor(make_anchor(head, signer=key_of("rob")), kept)
    write_anchor(make_anchor(head, signer=key_of("mallory")), forged)
    done = alone(tmp_path / "empty", str(dossier.path), "--anchor", str(kept))
    assert done.returncode == 0, done.stdout
    assert "is the one whose head you named" in done.stdout
    done = alone(tmp_path / "empty", str(dossier.path), "--anchor", str(forged))
    assert done.returncode == 6
    other = ChainHead(sequence=3, digest="0" * 64)
    write_anchor(make_anchor(other, signer=key_of("rob")), kept)
    assert alone(tmp_path / "empty", str(dossier.path), "--anchor", str(kept)).returncode == 6


def test_an_unpacked_dossier_is_checked_too_and_any_zip_program_unpacks_it(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(dossier.path) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    assert alone(tmp_path / "empty", str(folder)).returncode == 0
    (folder / "notes.txt").write_text("mine")
    done = alone(tmp_path / "empty", str(folder))
    assert done.stdout == "not valid: notes.txt: was added: the manifest does not name it\n"
    (folder / "notes.txt").unlink()
    (folder / "version/evidence.json").rename(tmp_path / "evidence.json")
    (folder / "version/evidence.json").symlink_to(tmp_path / "evidence.json")
    done = alone(tmp_path / "empty", str(folder))
    assert done.stdout == "not valid: version/evidence.json: is a link or no plain file\n"


def test_the_same_registry_gives_the_same_bytes(
    dossier: ExportedDossier, registry: Registry, tmp_path: Path
) -> None:
    again = export_dossier(
        registry, "enquiry-triage:1", path=tmp_path / "again.zip", signer=key_of("olwen")
    )
    assert again.path.read_bytes() == dossier.path.read_bytes()


def test_the_archive_holds_each_part_and_the_verifier_that_is_published(
    dossier: ExportedDossier,
) -> None:
    with zipfile.ZipFile(dossier.path) as archive:
        names = set(archive.namelist())
        text = archive.read("verify.py").decode("utf-8")
        readme = archive.read("README.txt").decode("utf-8")
    assert text == assemble_verifier()
    assert verifier_digest() in readme
    assert names >= {
        "documents/card.html", "documents/card.md", "documents/bom.cdx.json", "documents/atrs.csv",
        "attestations/provenance.dsse.json", "attestations/weights.sigstore.json",
        "version/evidence.json", "version/adapter/adapter_model.safetensors", "log/events.jsonl",
        "manifest.json", "manifest.dsse.json",
    }  # fmt: skip
    assert sum(name.startswith("decisions/") for name in names) == 3


def test_who_may_not_sign_makes_no_dossier(registry: Registry, tmp_path: Path) -> None:
    stranger = key_of("olwen-the-second")
    with pytest.raises((NotAllowedError, InvalidInputError)):
        export_dossier(registry, "enquiry-triage:1", path=tmp_path / "x.zip", signer=stranger)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(
    dossier: ExportedDossier, registry: Registry, tmp_path: Path
) -> None:
    taken = tmp_path / "taken.zip"
    taken.write_text("mine")
    with pytest.raises(InvalidInputError):
        export_dossier(registry, "enquiry-triage:1", path=taken, signer=key_of("olwen"))
    assert taken.read_text() == "mine"


def test_a_version_that_nobody_decided_on_says_so(registry: Registry, tmp_path: Path) -> None:
    made = export_dossier(
        registry, "enquiry-triage:2", path=tmp_path / "two.zip", signer=key_of("olwen")
    )
    done = alone(tmp_path / "empty", str(made.path))
    assert done.returncode == 0
    assert "state: evaluated" in done.stdout
    assert "that anybody decided on this version: nobody has" in done.stdout
