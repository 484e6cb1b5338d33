"""A version's bill of materials: CycloneDX 1.7, with what the model was made of and its model card.

Source: CycloneDX 1.7 (ECMA-424, 2nd edition), https://cyclonedx.org/docs/1.7/json/.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from civicbench import __version__
from civicbench.cards.licence_links import is_on_the_list, licence_parts
from civicbench.datasets.record import SnapshotRecord
from civicbench.evaluation.results import Comparison, Estimate
from civicbench.models.trained import trained_folder
from civicbench.registry.evidence import Evidence, SuiteFact

BOM_NAME = "bom.cdx.json"
_NAMESPACE = uuid.UUID("6f0f1f0e-6f0c-5d3f-9a52-2c6a1c1b7e09")
"""Under which the names of versions become serial numbers; chosen once at random."""
Component = dict[str, Any]


def render_bom(evidence: Evidence, *, number: int, files: Mapping[str, str]) -> str:
    """Return a version's bill of materials as JSON text; the same version gives the same bytes.

    Args:
        evidence: What is known of the version.
        number: Its number in the registry.
        files: sha256 of each of its files by path.
    """
    packages = {
        name: version
        for source in (
            *(result.packages for suite in evidence.suites for result in (suite.base, suite.tuned)),
            evidence.training.packages,
        )
        for name, version in source.items()
        if version != "absent"
    }
    datasets = [evidence.dataset, *(mixed.dataset for mixed in evidence.mixed)]
    libraries = [_library(name, version) for name, version in sorted(packages.items())]
    parts = [
        _base(evidence),
        *_unique(_dataset(data) for data in datasets),
        *(_suite(suite) for suite in evidence.suites),
        *libraries,
    ]
    model = _model(evidence, number=number, files=files, datasets=datasets)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, evidence.digest)}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "post-build"}],
            "tools": {
                "components": [
                    {"type": "application", "name": "civicbench", "version": __version__}
                ]
            },
            "component": model,
        },
        "components": parts,
        "dependencies": [
            {"ref": model["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _model(
    evidence: Evidence,
    *,
    number: int,
    files: Mapping[str, str],
    datasets: list[SnapshotRecord],
) -> Component:
    folder = trained_folder(evidence.training.method) + "/"
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{evidence.digest}",
        "name": evidence.model_name,
        "version": str(number),
        "description": evidence.recipe.purpose,
        "licenses": _licences(
            evidence.base.licence.identifier,
            name=evidence.base.licence.name,
            url=evidence.base.licence.url,
        ),
        "pedigree": {
            "notes": f"Trained from {evidence.base.title} by {evidence.recipe.reproduce}",
        },
        "components": [
            {
                "type": "file",
                "bom-ref": f"file:{path}",
                "name": path,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for path, digest in sorted(files.items())
            if path.startswith(folder)
        ],
        "modelCard": _card(evidence, datasets=datasets),
        "properties": [
            {"name": "civicbench:version", "value": evidence.digest},
            {"name": "civicbench:weights", "value": evidence.training.adapter_digest},
            {"name": "civicbench:method", "value": evidence.training.method},
            {"name": "civicbench:gate", "value": evidence.gate.digest},
            {
                "name": "civicbench:gate-verdict",
                "value": "met" if evidence.gate.passed else "not met",
            },
        ],
    }


def _card(evidence: Evidence, *, datasets: list[SnapshotRecord]) -> dict[str, Any]:
    recipe = evidence.recipe
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "text generation",
            "architectureFamily": "decoder-only transformer",
            "modelArchitecture": evidence.base.title,
            "datasets": [
                {"ref": reference}
                for reference in dict.fromkeys(_dataset_reference(data) for data in datasets)
            ],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": "text"}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [
                metric for one in evidence.comparisons for metric in _metrics(one)
            ]
        },
        "considerations": {
            "useCases": list(recipe.intended_uses),
            "technicalLimitations": [
                *(f"{suite.title} does not measure: {suite.does_not_measure}"
                  for suite in evidence.suites),
                *(f"{data.title}: {limit}" for data in datasets for limit in data.limits),
            ],
            "performanceTradeoffs": [
                f"Worse than the base model: {one.title}, {one.metric}"
                for one in evidence.comparisons
                if one.verdict == "worse"
            ],
            "ethicalConsiderations": [
                {"name": f"Forbidden: {use}", "mitigationStrategy": recipe.human_review}
                for use in recipe.forbidden_uses
            ],
        },
    }  # fmt: skip


def _metrics(one: Comparison) -> list[dict[str, Any]]:
    name = f"{one.suite}/{one.task}: {one.metric}"
    metrics = [
        _metric(name, one.tuned),
        _metric(f"{name}, difference from the base model", one.difference),
    ]
    metrics += [
        {**_metric(name, part.tuned), "slice": f"{part.field}: {part.value}"} for part in one.slices
    ]
    return metrics


def _metric(name: str, estimate: Estimate) -> dict[str, Any]:
    return {
        "type": name,
        "value": json.dumps(estimate.value),
        "confidenceInterval": {
            "lowerBound": json.dumps(estimate.low),
            "upperBound": json.dumps(estimate.high),
        },
    }


def _base(evidence: Evidence) -> Component:
    base = evidence.base
    licence = base.licence
    references = [{"type": "license", "url": licence.url}]
    if licence.use_policy_url is not None:
        references.append({"type": "license", "url": licence.use_policy_url})
    return {
        "type": "machine-learning-model",
        "bom-ref": f"base:{base.weights_digest}",
        "name": base.name,
        "description": f"{base.title}; from {base.source}",
        "licenses": _licences(licence.identifier, name=licence.name, url=licence.url),
        "externalReferences": references,
        "components": [
            {
                "type": "file",
                "bom-ref": f"base-file:{name}",
                "name": name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for name, digest in sorted(base.files.items())
        ],
        "properties": [
            {"name": "civicbench:weights", "value": base.weights_digest},
            {"name": "civicbench:tokenizer", "value": base.tokenizer_digest},
            {"name": "civicbench:chat-template", "value": base.template_digest},
            {"name": "civicbench:parameters", "value": str(base.parameters)},
            *({"name": "civicbench:licence-duty", "value": duty} for duty in licence.duties),
        ],
    }


def _dataset_reference(data: SnapshotRecord) -> str:
    return f"dataset:{data.digest}"


def _dataset(data: SnapshotRecord) -> Component:
    return {
        "type": "data",
        "bom-ref": _dataset_reference(data),
        "name": data.name,
        "description": data.title,
        "licenses": _licences(data.licence),
        "hashes": [{"alg": "SHA-256", "content": data.digest}],
        "data": [
            {
                "type": "dataset",
                "name": data.title,
                "description": data.description,
                "sensitiveData": [data.personal_data],
            }
        ],
        "components": [
            {
                "type": "data",
                "bom-ref": f"{_dataset_reference(data)}/source:{position}",
                "name": source.name,
                "licenses": _licences(source.licence),
                "copyright": source.attribution,
                "hashes": [{"alg": "SHA-256", "content": source.sha256}],
                "data": [{"type": "dataset", "name": source.name}],
            }
            for position, source in enumerate(data.sources, start=1)
        ],
    }


def _suite(suite: SuiteFact) -> Component:
    return {
        "type": "data",
        "bom-ref": f"suite:{suite.name}:{suite.tuned.items_digest}",
        "name": suite.name,
        "description": f"{suite.title}: {suite.measures}",
        "licenses": _licences(suite.licence),
        "hashes": [{"alg": "SHA-256", "content": suite.tuned.items_digest}],
        "data": [{"type": "dataset", "name": f"test items of {suite.title}"}],
        "properties": [{"name": "civicbench:used-for", "value": "testing"}],
    }


def _library(name: str, version: str) -> Component:
    address = f"pkg:pypi/{name.lower().replace('_', '-')}@{version.replace('+', '%2B')}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
    }


def _licences(expression: str, *, name: str | None = None, url: str = "") -> list[dict[str, Any]]:
    """Return a licence, or licences joined by AND or OR, as CycloneDX has them.

    Args:
        expression: SPDX identifiers joined by AND or OR, or a name of the licence's own.
        name: What the licence is called, where it is not on SPDX's list.
        url: Where its text stands.
    """
    parts = licence_parts(expression)
    if all(is_on_the_list(part) for part in parts):
        if len(parts) > 1:
            return [{"expression": expression}]
        return [{"license": {"id": expression, **({"url": url} if url else {})}}]
    return [{"license": {"name": name or expression, **({"url": url} if url else {})}}]


def _unique(components: Any) -> list[Component]:
    return list({component["bom-ref"]: component for component in components}.values())
