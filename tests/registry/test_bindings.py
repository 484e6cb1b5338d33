from pathlib import Path
from typing import Any

import pytest
from tests.registry.factory import make_evidence, make_files

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.workspace import Workspace
from civicbench.registry.evidence import Evidence, MixedData
from civicbench.registry.registry import Registry

OTHER = "f" * 64


def changed(evidence: Evidence, *, part: str, digest: str) -> Evidence:
    """Return evidence whose digest at a dotted path is another one."""
    data = evidence.model_dump(mode="json")
    *path, last = part.split(".")
    place: Any = data
    for step in path:
        place = place[int(step)] if step.isdigit() else place[step]
    assert last in place
    place[last] = digest
    return Evidence.model_validate(data)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("training.base_weights_digest", "base weights of training"),
        ("training.template_digest", "chat template of training"),
        ("training.snapshot_digest", "data of training"),
        ("suites.0.base.weights_digest", "base weights of enquiry-triage's base scores"),
        ("suites.1.tuned.weights_digest", "base weights of safety-core's tuned scores"),
        ("suites.0.tuned.template_digest", "chat template of enquiry-triage's tuned scores"),
        ("suites.1.tuned.adapter_digest", "adapter of safety-core's tuned scores"),
        ("suites.1.base.adapter_digest", "adapter of safety-core's base scores"),
        ("suites.0.tuned.items_digest", "items of enquiry-triage"),
        ("suites.0.base.prompts_digest", "prompts of enquiry-triage"),
    ],
)
def test_evidence_of_two_different_things_is_refused(
    registry: Registry, workspace: Workspace, tmp_path: Path, part: str, named: str
) -> None:
    evidence, measurements = make_evidence(0)
    with pytest.raises(IntegrityError, match="does not agree") as caught:
        registry.register(
            changed(evidence, part=part, digest=OTHER),
            measurements=measurements,
            files=make_files(tmp_path),
        )
    assert named in str(caught.value)
    assert not workspace.store.exists()


def test_scores_of_no_adapter_are_no_scores_of_the_tuned_model(
    registry: Registry, tmp_path: Path
) -> None:
    evidence, measurements = make_evidence(0)
    suite = evidence.suites[0]
    bare = suite.tuned.model_copy(update={"adapter_digest": None})
    suites = (suite.model_copy(update={"tuned": bare}), evidence.suites[1])
    with pytest.raises(IntegrityError, match="does not agree") as caught:
        registry.register(
            evidence.model_copy(update={"suites": suites}),
            measurements=measurements,
            files=make_files(tmp_path),
        )
    assert "adapter of enquiry-triage's tuned scores: none" in str(caught.value)


def test_another_adapters_files_are_refused(registry: Registry, tmp_path: Path) -> None:
    evidence, measurements = make_evidence(0)
    with pytest.raises(IntegrityError, match="not the ones that were trained"):
        registry.register(evidence, measurements=measurements, files=make_files(tmp_path, seed=1))


@pytest.mark.parametrize("change", ["missing", "added"])
def test_the_adapter_is_exactly_its_files(registry: Registry, tmp_path: Path, change: str) -> None:
    evidence, measurements = make_evidence(0)
    files = make_files(tmp_path)
    if change == "missing":
        del files["adapter/adapter_config.json"]
    else:
        files["adapter/more.json"] = files["adapter/adapter_config.json"]
    with pytest.raises(IntegrityError, match="not the ones that were trained"):
        registry.register(evidence, measurements=measurements, files=files)


def test_an_absent_file_is_named(registry: Registry, tmp_path: Path) -> None:
    evidence, measurements = make_evidence(0)
    files = {**make_files(tmp_path), "training/curve.svg": tmp_path / "curve.svg"}
    with pytest.raises(PartAbsentError, match="no such file") as caught:
        registry.register(evidence, measurements=measurements, files=files)
    assert "curve.svg" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "a/", ".hidden"),
        *("a\\b", "a\nb", "evidence.json", "measurements.json"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(
    registry: Registry, tmp_path: Path, path: str
) -> None:
    evidence, measurements = make_evidence(0)
    files = make_files(tmp_path)
    files[path] = files["adapter/adapter_config.json"]
    with pytest.raises(InvalidInputError):
        registry.register(evidence, measurements=measurements, files=files)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "-a", "../a", "a" * 101, "modèl"])
def test_a_name_that_could_not_be_referred_to_is_refused(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    evidence, measurements = make_evidence(0, model_name=name)
    with pytest.raises(InvalidInputError, match="model's name"):
        registry.register(evidence, measurements=measurements, files=make_files(tmp_path))


def test_a_number_that_is_not_finite_is_refused(registry: Registry, tmp_path: Path) -> None:
    evidence, measurements = make_evidence(0)
    wrong = evidence.comparisons[0].model_copy(update={"p_value": float("nan")})
    with pytest.raises(InvalidInputError, match="JSON cannot hold"):
        registry.register(
            evidence.model_copy(update={"comparisons": (wrong,)}),
            measurements=measurements,
            files=make_files(tmp_path),
        )


def test_what_was_mixed_in_is_part_of_the_data_that_training_names(
    registry: Registry, tmp_path: Path
) -> None:
    evidence, measurements = make_evidence(0)
    extra = MixedData(
        dataset=evidence.dataset.model_copy(update={"name": "extra", "digest": OTHER}),
        share=0.2,
        rows=9,
    )
    mixed = evidence.model_copy(update={"mixed": (extra,)})
    with pytest.raises(IntegrityError, match="data of training"):
        registry.register(mixed, measurements=measurements, files=make_files(tmp_path))
    agreeing = changed(mixed, part="training.snapshot_digest", digest=mixed.training_data_digest)
    version = registry.register(agreeing, measurements=measurements, files=make_files(tmp_path))
    assert registry.load_evidence(version.digest).mixed == (extra,)


def test_evidence_without_mixing_is_written_as_it_always_was() -> None:
    evidence, _ = make_evidence(0)
    written = evidence.model_dump(mode="json")
    assert "mixed" not in written
    assert "preferences" not in written["dataset"]
    assert evidence.training_data_digest == evidence.dataset.digest
