"""The YAML that stands at the head of a Hugging Face model card."""

from typing import Any

import yaml

from civicbench.evaluation.results import Comparison
from civicbench.models.settings import Licence
from civicbench.pages.characters import visible
from civicbench.registry.evidence import Evidence, SuiteFact

_LICENCE_TAGS = {
    # What Hugging Face calls these; any other licence is "other" with its name and address.
    "Apache-2.0": "apache-2.0",
    "CC0-1.0": "cc0-1.0",
    "MIT": "mit",
    "LicenseRef-Llama-3.1-Community": "llama3.1",
    "LicenseRef-Llama-3.2-Community": "llama3.2",
    "LicenseRef-Llama-3.3-Community": "llama3.3",
}
_WIDTH_CHARACTERS = 1 << 20


def render_front_matter(evidence: Evidence) -> str:
    """Return the front matter between its `---` lines.

    The keys are those of Hugging Face's model card metadata, with results as `model-index`.
    """
    datasets = [] if evidence.trained_elsewhere else list(evidence.datasets)
    full = evidence.training.method == "full"
    metadata = {
        **_licence(evidence.base.licence),
        "base_model": evidence.base.name,
        "base_model_relation": "finetune" if full else "adapter",
        "library_name": "transformers" if full else "peft",
        "pipeline_tag": "text-generation",
        "language": _languages(tuple(tag for data in datasets for tag in data.languages)),
        "datasets": [data.name for data in datasets],
        "tags": ["civicbench", "public-sector", evidence.training.method],
        "model-index": [{"name": evidence.model_name, "results": _results(evidence)}],
    }
    text = yaml.safe_dump(
        _visible(metadata), sort_keys=False, allow_unicode=True, width=_WIDTH_CHARACTERS
    )
    return f"---\n{text}---\n"


def _licence(licence: Licence) -> dict[str, str]:
    tag = _LICENCE_TAGS.get(licence.identifier)
    if tag is not None:
        return {"license": tag}
    return {"license": "other", "license_name": licence.name, "license_link": licence.url}


def _languages(tags: tuple[str, ...]) -> list[str]:
    """Return language codes alone: Hugging Face knows `en`, not `en-GB`."""
    return list(dict.fromkeys(tag.split("-")[0].lower() for tag in tags))


def _results(evidence: Evidence) -> list[dict[str, Any]]:
    suites = {suite.name: suite for suite in evidence.suites}
    return [
        _result(comparison, suites.get(comparison.suite)) for comparison in evidence.comparisons
    ]


def _result(comparison: Comparison, suite: SuiteFact | None) -> dict[str, Any]:
    dataset = {"type": comparison.suite, "name": suite.title if suite else comparison.suite}
    if suite is not None:
        dataset["revision"] = suite.tuned.items_digest
    low, high = comparison.tuned.low, comparison.tuned.high
    return {
        "task": {"type": "text-generation", "name": comparison.title},
        "dataset": dataset,
        "metrics": [
            {
                "type": comparison.metric,
                "value": comparison.tuned.value,
                "name": f"{comparison.metric}, 95% interval {low} to {high}",
            }
        ],
    }


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _visible(part) for key, part in value.items()}
    return [_visible(part) for part in value] if isinstance(value, list) else value
