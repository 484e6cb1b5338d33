"""The bill of materials is valid CycloneDX 1.7, and holds what the evidence holds."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
from tests.registry.factory import make_evidence

from civicbench.cards.bom import render_bom
from civicbench.cards.licence_links import _ON_THE_LIST
from civicbench.models.catalogue import list_model_entries
from civicbench.registry.evidence import Evidence

FILES = {"adapter/adapter_config.json": "a" * 64, "scores/x/result.json": "b" * 64}


def errors(text: str) -> list[str]:
    validator = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_7)
    found = validator.validate_str(text, all_errors=True)
    return [str(error) for error in found or ()]


def test_the_bill_is_valid_and_the_validator_is_not_asleep() -> None:
    evidence, _ = make_evidence(4)
    text = render_bom(evidence, number=3, files=FILES)
    assert errors(text) == []
    broken = json.loads(text)
    broken["metadata"]["component"]["modelCard"]["modelParameters"]["approach"]["type"] = "magic"
    assert errors(json.dumps(broken))
    broken = json.loads(text)
    broken["components"][0]["licenses"] = [{"license": {"id": "My-Licence"}}]
    assert errors(json.dumps(broken))


def test_the_bill_says_what_the_evidence_says() -> None:
    evidence, _ = make_evidence(4)
    bill = json.loads(render_bom(evidence, number=3, files=FILES))
    model = bill["metadata"]["component"]
    assert [part["name"] for part in model["components"]] == ["adapter/adapter_config.json"]
    assert {"name": "civicbench:version", "value": evidence.digest} in model["properties"]
    by_name = {
        part["name"]: part
        for part in bill["components"]
        if not part["bom-ref"].startswith("suite:")
    }
    assert by_name[evidence.base.name]["licenses"][0]["license"]["id"] == "Apache-2.0"
    data = by_name[evidence.dataset.name]
    assert data["hashes"][0]["content"] == evidence.dataset.digest
    assert [s["name"] for s in data["components"]] == [s.name for s in evidence.dataset.sources]
    for name, version in evidence.training.packages.items():
        assert by_name[name]["version"] == version
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    for one in evidence.comparisons:
        name = f"{one.suite}/{one.task}: {one.metric}"
        found = next(m for m in metrics if m["type"] == name and "slice" not in m)
        assert float(found["value"]) == one.tuned.value
        assert float(found["confidenceInterval"]["lowerBound"]) == one.tuned.low
    assert model["modelCard"]["considerations"]["useCases"] == list(evidence.recipe.intended_uses)


def test_every_reference_leads_to_a_part_and_every_part_has_one_name() -> None:
    evidence, _ = make_evidence(4)
    bill = json.loads(render_bom(evidence, number=3, files=FILES))
    names: list[str] = []

    def collect(part: dict[str, object]) -> None:
        names.append(str(part["bom-ref"]))
        for below in part.get("components", []):  # type: ignore[attr-defined]
            collect(below)

    for part in (bill["metadata"]["component"], *bill["components"]):
        collect(part)
    assert len(set(names)) == len(names)
    for dependency in bill["dependencies"]:
        assert {dependency["ref"], *dependency.get("dependsOn", [])} <= set(names)
    card = bill["metadata"]["component"]["modelCard"]
    assert {one["ref"] for one in card["modelParameters"]["datasets"]} <= set(names)


def test_the_same_version_gives_the_same_bytes() -> None:
    evidence, _ = make_evidence(4)
    assert render_bom(evidence, number=3, files=FILES) == render_bom(
        evidence, number=3, files=dict(reversed(FILES.items()))
    )
    other, _ = make_evidence(5)
    first, second = (
        json.loads(render_bom(one, number=3, files=FILES))["serialNumber"]
        for one in (evidence, other)
    )
    assert first != second


def with_licence(evidence: Evidence, **changes: object) -> Evidence:
    licence = evidence.base.licence.model_copy(update=changes)
    return evidence.model_copy(
        update={"base": evidence.base.model_copy(update={"licence": licence})}
    )


@pytest.mark.parametrize("entry", list_model_entries(), ids=lambda entry: entry.name)
def test_every_licence_of_the_catalogue_gives_a_valid_bill(entry) -> None:  # type: ignore[no-untyped-def]
    evidence, _ = make_evidence(4)
    base = evidence.base.model_copy(update={"licence": entry.licence})
    text = render_bom(evidence.model_copy(update={"base": base}), number=1, files=FILES)
    assert errors(text) == []


@pytest.mark.parametrize("licence", ["OGL-UK-3.0 AND CC0-1.0", "OPL-UK-3.0", "Our own terms"])
def test_licences_that_are_joined_or_off_the_list_are_valid(licence: str) -> None:
    evidence, _ = make_evidence(4)
    data = evidence.dataset.model_copy(update={"licence": licence})
    text = render_bom(evidence.model_copy(update={"dataset": data}), number=1, files=FILES)
    assert errors(text) == []


def test_what_counts_as_on_spdx_list_is_on_the_schemas_list() -> None:
    import cyclonedx.schema._res as resources

    folder = Path(str(resources.__file__)).parent
    schema = json.loads((folder / "spdx.SNAPSHOT.schema.json").read_text("utf-8"))
    assert set(schema["enum"]) >= _ON_THE_LIST
