"""What the evidence can say in an ATRS record: texts for measured and drafted fields, and notes."""

from collections.abc import Sequence

from civicbench.datasets.record import SnapshotRecord
from civicbench.evaluation.results import Comparison
from civicbench.pages.document import Cell, Words
from civicbench.pages.wording import (
    count_of,
    format_count,
    format_difference,
    format_estimate,
    is_rate,
    name_field,
)
from civicbench.registry.evidence import Evidence


def draft_texts(evidence: Evidence, *, number: int) -> dict[str, str]:
    """Return the text of every measured and drafted field, by key.

    Args:
        evidence: What is known of the version.
        number: The version's number in the registry.
    """
    recipe, base, run = evidence.recipe, evidence.base, evidence.training
    full = run.method == "full"
    made = (
        f"{base.title}, of which every weight was trained further"
        if full
        else f"{base.title} with an adapter of {format_count(run.trainable_parameters)} weights"
    )
    datasets = [evidence.dataset, *(mixed.dataset for mixed in evidence.mixed)]
    languages = ", ".join(dict.fromkeys(tag for data in datasets for tag in data.languages))
    return {
        "name": evidence.model_name,
        "description": recipe.purpose,
        "detailed_description": (
            f"{recipe.purpose} A language model does this: {made}. {_trained(evidence)} It writes "
            "text in answer to text."
        ),
        "scope": _scope(evidence),
        "human_review": recipe.human_review,
        "system_architecture": (
            f"One language model ({made}). It stands alone: what calls it and where its answers go "
            "is to be described here."
        ),
        "system_input": "Text."
        + (f" Languages of the training data: {languages}." if languages else ""),
        "system_output": "Text.",
        "models": f"{evidence.model_name} version {number}, made from {base.title}.",
        "model_name": evidence.model_name,
        "model_version": f"{number} (evidence digest {evidence.digest})",
        "model_task": recipe.purpose,
        "model_input": (
            f"A conversation in text, of at most {format_count(base.context_length_tokens)} tokens."
        ),
        "model_output": "Text, one token after another.",
        "model_architecture": (
            f"Decoder-only transformer of {format_count(base.parameters)} parameters; {made}. "
            f"Base model: {base.source}. Licence: {base.licence.name}."
        ),
        "model_performance": _performance(evidence),
        "datasets_and_purposes": _datasets(evidence),
        "data_description": "\n".join(f"{data.title}: {data.description}" for data in datasets),
        "data_modality": "Text.",
        "data_quantities": "\n".join(_quantities(data) for data in datasets),
        "sensitive_attributes": "\n".join(
            f"{data.title}: {data.personal_data}" for data in datasets
        ),
        "data_cleaning": "\n".join(_cleaning(data) for data in datasets),
    }


def draft_notes(evidence: Evidence) -> dict[str, str]:
    """Return what the evidence can tell whoever fills in a field, by key."""
    datasets = [evidence.dataset, *(mixed.dataset for mixed in evidence.mixed)]
    limits = [f"{data.title}: {limit}" for data in datasets for limit in data.limits]
    sources = [
        f"{source.name} ({source.licence}; {source.attribution})"
        for data in datasets
        for source in data.sources
    ]
    worse = [
        f"{one.title} ({name_field(one.metric)}): {_shown(one)}"
        for one in evidence.comparisons
        if one.verdict == "worse"
    ]
    missed = [
        f"{one.rule.name}: {one.rule.reason}" for one in evidence.gate.rules if not one.passed
    ]
    notes = {
        "completeness": _listed("Limits that the data's makers named", limits),
        "data_collection": _listed("Sources", sources),
        "risks": "\n".join(
            part
            for part in (
                _listed("Tests on which the version is worse than its base", worse),
                _listed("Rules of the gate that it does not meet", missed),
                _listed("Uses that are forbidden", evidence.recipe.forbidden_uses),
            )
            if part
        ),
    }
    return {key: note for key, note in notes.items() if note}


def _trained(evidence: Evidence) -> str:
    if evidence.trained_elsewhere is not None:
        return f"It was trained elsewhere: {evidence.trained_elsewhere.origin}"
    return f"It was trained on {format_count(evidence.training.rows)} examples."


def _listed(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{head}:", *(f"- {line}" for line in lines)]) if lines else ""


def _scope(evidence: Evidence) -> str:
    recipe = evidence.recipe
    return "\n".join(
        part
        for part in (
            _listed("It may be used to", recipe.intended_uses),
            _listed("It must not be used to", recipe.forbidden_uses),
        )
        if part
    )


def _shown(one: Comparison) -> str:
    rate = is_rate(one)
    return (
        f"{_flat(format_estimate(one.tuned, rate=rate))}; base model "
        f"{_flat(format_estimate(one.base, rate=rate))}; difference "
        f"{_flat(format_difference(one.difference, rate=rate))}; {one.verdict}"
    )


def _flat(cell: Cell) -> str:
    return " ".join(part.text for part in cell if isinstance(part, Words) and part.style != "hint")


def _performance(evidence: Evidence) -> str:
    lines = [
        f"- {one.title} ({name_field(one.metric)}, {count_of(one.tuned.items, 'item')}): "
        f"{_shown(one)}"
        for one in evidence.comparisons
        if one.headline
    ]
    met = "met" if evidence.gate.passed else "not met"
    head = "Headline results, each with its 95% interval:" if lines else "No headline result."
    return "\n".join([head, *lines, f"The release gate ({evidence.gate.title}) is {met}."])


def _datasets(evidence: Evidence) -> str:
    lines = [f"- {evidence.dataset.title} ({evidence.dataset.licence}): training"]
    lines += [f"- {one.dataset.title} ({one.dataset.licence}): training" for one in evidence.mixed]
    lines += [
        f"- {suite.title} ({suite.licence}): testing. {suite.measures}" for suite in evidence.suites
    ]
    return "\n".join(lines)


def _quantities(data: SnapshotRecord) -> str:
    splits = ", ".join(f"{split.name} {format_count(split.rows)}" for split in data.splits)
    return f"{data.title}: rows by split: {splits}."


def _cleaning(data: SnapshotRecord) -> str:
    steps = [
        f"{step.name} ({format_count(step.rows_in)} to {format_count(step.rows_out)} rows): "
        f"{step.note}"
        for step in data.steps
    ]
    return _listed(data.title, steps)
