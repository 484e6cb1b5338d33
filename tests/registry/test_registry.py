import hashlib
import json
import pwd
from datetime import UTC, datetime
from os import getuid
from pathlib import Path

import pytest
from tests.registry.factory import adapter_contents, make_evidence, make_files

from civicbench.core.errors import DiskFullError, IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionDetail, VersionSummary


def register(registry: Registry, seed: int, *, folder: Path, model: str = "m") -> VersionSummary:
    evidence, measurements = make_evidence(seed, model_name=model)
    files = make_files(folder, seed=seed)
    return registry.register(evidence, measurements=measurements, files=files)


def test_a_version_is_named_by_its_evidence(registry: Registry, tmp_path: Path) -> None:
    evidence, measurements = make_evidence(0)
    before = datetime.now(UTC)
    found = registry.register(evidence, measurements=measurements, files=make_files(tmp_path))
    assert found.digest == evidence.digest
    assert (found.reference, found.number, found.state) == ("enquiry-triage:1", 1, "evaluated")
    assert before <= found.created_at <= datetime.now(UTC)
    path = registry.artefact_paths(found.digest)["evidence.json"]
    # Anyone can prove the name with sha256sum alone.
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.digest


def test_registering_twice_gives_one_version_and_one_event(
    registry: Registry, tmp_path: Path
) -> None:
    first = register(registry, 0, folder=tmp_path)
    evidence, _ = make_evidence(0, model_name="m")
    _, other = make_evidence(5)
    again = registry.register(evidence, measurements=other, files=make_files(tmp_path))
    assert again == first
    assert len(registry.list_versions()) == 1
    sound = registry.verify()
    assert (sound.events, sound.versions, sound.leftovers) == (1, 1, ())
    assert registry.load_measurements("m") == make_evidence(0)[1]


def test_registering_again_restores_a_lost_file(registry: Registry, tmp_path: Path) -> None:
    first = register(registry, 0, folder=tmp_path)
    registry.artefact_paths("m")["adapter/adapter_model.safetensors"].unlink()
    with pytest.raises(IntegrityError, match="missing"):
        registry.artefact_paths("m")
    assert register(registry, 0, folder=tmp_path) == first
    registry.verify()


def test_versions_are_numbered_within_their_model(registry: Registry, tmp_path: Path) -> None:
    made = [
        register(registry, seed, folder=tmp_path, model=model)
        for seed, model in enumerate(["one", "two", "one", "one"])
    ]
    assert [version.reference for version in made] == ["one:1", "two:1", "one:2", "one:3"]
    assert list(registry.list_versions()) == made[::-1]
    assert [version.number for version in registry.list_versions(model="one")] == [3, 2, 1]
    with pytest.raises(InvalidInputError, match="no model") as caught:
        registry.list_versions(model="ones")
    assert "did you mean one?" in str(caught.value)


def test_two_versions_with_the_same_adapter_share_its_file(
    registry: Registry, tmp_path: Path
) -> None:
    for model in ("a", "b"):
        register(registry, 0, folder=tmp_path, model=model)
    paths = [registry.artefact_paths(model) for model in ("a", "b")]
    name = "adapter/adapter_model.safetensors"
    assert paths[0][name] == paths[1][name]
    assert paths[0]["evidence.json"] != paths[1]["evidence.json"]
    registry.verify()


def test_show_holds_what_the_evidence_says(registry: Registry, version: VersionSummary) -> None:
    evidence, _ = make_evidence(0)
    shown = registry.show("enquiry-triage")
    assert [(r.suite, r.task, r.metric, r.verdict) for r in shown.results] == [
        (c.suite, c.task, c.metric, c.verdict) for c in evidence.comparisons
    ]
    for result, comparison in zip(shown.results, evidence.comparisons, strict=True):
        for whose in ("base", "tuned", "difference"):
            kept, given = getattr(result, whose), getattr(comparison, whose)
            assert (kept.value, kept.low, kept.high) == (given.value, given.low, given.high)
        assert (result.p_value, result.headline) == (comparison.p_value, comparison.headline)
    assert tuple(rule.detail for rule in shown.rules) == evidence.gate.rules
    assert {a.path: (a.size_bytes, a.media_type) for a in shown.artefacts}[
        "adapter/adapter_model.safetensors"
    ] == (4096, "application/octet-stream")
    assert VersionDetail.model_validate_json(shown.model_dump_json()) == shown


def test_the_event_says_who_when_and_what(registry: Registry, version: VersionSummary) -> None:
    (event,) = registry.show(version.digest).events
    assert event.actor == pwd.getpwuid(getuid()).pw_name
    assert (event.sequence, event.kind, event.at) == (
        1,
        "version registered",
        version.created_at,
    )
    detail = json.loads(event.detail)
    assert detail["artefacts"]["evidence.json"] == version.digest
    assert registry.head().digest == event.digest


def test_evidence_and_files_come_back_as_they_were(
    registry: Registry, version: VersionSummary, tmp_path: Path
) -> None:
    evidence, measurements = make_evidence(0)
    assert registry.load_evidence("enquiry-triage") == evidence
    assert registry.load_evidence("enquiry-triage").digest == version.digest
    assert registry.load_measurements("enquiry-triage") == measurements
    folder = registry.lay_out("enquiry-triage", folder=tmp_path / "out")
    for name, content in adapter_contents(0).items():
        assert (folder / "adapter" / name).read_bytes() == content
    assert registry.lay_out("enquiry-triage", folder=folder) == folder
    (folder / "evidence.json").write_text("{}")
    with pytest.raises(IntegrityError, match="other files"):
        registry.lay_out("enquiry-triage", folder=folder)


def test_lay_out_of_a_changed_file_leaves_nothing(
    registry: Registry, version: VersionSummary, tmp_path: Path
) -> None:
    path = registry.artefact_paths("enquiry-triage")["measurements.json"]
    path.chmod(0o644)
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="changed"):
        registry.lay_out("enquiry-triage", folder=tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_find_knows_whole_digests_only(registry: Registry, version: VersionSummary) -> None:
    assert registry.find(version.digest) == version
    assert registry.find(version.digest[:12]) is None


def test_a_failed_gate_is_registered_and_shown_as_failed(
    registry: Registry, tmp_path: Path
) -> None:
    evidence, measurements = make_evidence(0, gate_passes=False)
    found = registry.register(evidence, measurements=measurements, files=make_files(tmp_path))
    assert found.gate_passed is False
    assert [rule.passed for rule in registry.show("enquiry-triage").rules] == [False, True, True]


def test_a_full_disk_registers_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(DiskFullError):
            register(registry, 0, folder=tmp_path)
    assert registry.list_versions() == ()
    assert registry.verify().leftovers == ()
    assert register(registry, 0, folder=tmp_path).number == 1


def test_there_is_no_registry_before_the_first_run(bare_workspace: Workspace) -> None:
    workspace = bare_workspace
    with pytest.raises(PartAbsentError, match="no registry yet") as caught:
        Registry.open(workspace)
    assert "civicbench run RECIPE" in str(caught.value)
    assert not workspace.home.exists()
    Registry.open_or_initialise(workspace, reporter=Reporter(live=False)).close()
    with Registry.open(workspace) as opened:
        assert opened.verify().events == 0
