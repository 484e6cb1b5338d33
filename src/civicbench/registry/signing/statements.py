"""What is attested of a version: in-toto statements made from its evidence.

Formats: in-toto Statement v1; SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance) for the
training run; in-toto test result v0.1 (https://github.com/in-toto/attestation) for each suite.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from civicbench.evaluation.results import Comparison
from civicbench.models.trained import trained_folder
from civicbench.registry.elsewhere import TrainedElsewhere
from civicbench.registry.evidence import Evidence, Measurements, SuiteFact
from civicbench.registry.gates import AnyRule
from civicbench.registry.rules.changes import DomainGain, OverRefusal, SafetyChange
from civicbench.registry.rules.measured import Rule
from civicbench.registry.rules.records import JudgeAgreement

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
BUILD_TYPE = "urn:civicbench:training:v1"
"""What a build is here: a recipe resolved, its model trained. docs/documents.md says how to read
the parameters."""
IMPORT_TYPE = "urn:civicbench:import:v1"
"""Weights that were trained elsewhere and brought in: nobody here has seen how."""
BUILDER = "urn:civicbench:builder:self-run"
"""A person's own machine or cluster: no platform vouches for what ran (SLSA build level 1)."""

Statement = dict[str, Any]


def state_provenance(
    evidence: Evidence, measurements: Measurements, *, files: Mapping[str, str]
) -> Statement:
    """Return how a version's weights came to be, as SLSA provenance.

    Args:
        evidence: What is known of the version.
        measurements: What was measured on the way.
        files: sha256 of each of the version's files by path.
    """
    if evidence.trained_elsewhere is not None:
        return _import(evidence, evidence.trained_elsewhere, files=files)
    run, base, recipe = evidence.training, evidence.base, evidence.recipe
    packages = [
        {"name": name, "uri": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(run.packages.items())
        if version != "absent"
    ]
    datasets = [evidence.dataset, *(mixed.dataset for mixed in evidence.mixed)]
    return {
        "_type": STATEMENT,
        "subject": _weights(evidence, files=files),
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "recipe": recipe.name,
                    "recipeDigest": {"sha256": recipe.digest},
                    "resolvedRecipe": recipe.resolved,
                    "command": recipe.reproduce,
                },
                "internalParameters": {
                    "method": run.method,
                    "settings": dict(sorted(run.settings.items())),
                    "seed": run.seed,
                    "steps": run.steps,
                    "rows": run.rows,
                },
                "resolvedDependencies": [
                    {
                        "name": f"base model {base.name}",
                        "digest": {"sha256": base.weights_digest},
                        "annotations": {"source": base.source, "licence": base.licence.identifier},
                    },
                    {"name": "tokenizer", "digest": {"sha256": base.tokenizer_digest}},
                    {"name": "chat template", "digest": {"sha256": run.template_digest}},
                    *(
                        {
                            "name": f"dataset {data.name}",
                            "digest": {"sha256": data.digest},
                            "annotations": {"licence": data.licence},
                        }
                        for data in datasets
                    ),
                    *packages,
                ],
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"civicbench": run.code_version}},
                "metadata": {"invocationId": f"urn:civicbench:version:{evidence.digest}"},
                "byproducts": [
                    {
                        "name": "measurements",
                        "annotations": {
                            "machine": measurements.training.machine,
                            "wallTimeSeconds": measurements.training.wall_time_s,
                            "peakMemoryBytes": measurements.training.peak_memory_bytes,
                        },
                    },
                    *(
                        {"name": path, "digest": {"sha256": digest}}
                        for path, digest in sorted(files.items())
                        if path.startswith("training/")
                    ),
                ],
            },
        },
    }


def _import(
    evidence: Evidence, elsewhere: TrainedElsewhere, *, files: Mapping[str, str]
) -> Statement:
    """Return where imported weights came from: what was said of them is passed on as said."""
    return {
        "_type": STATEMENT,
        "subject": _weights(evidence, files=files),
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": IMPORT_TYPE,
                "externalParameters": {"origin": elsewhere.origin, "kind": elsewhere.kind},
                "internalParameters": {
                    "saidOfItself": dict(sorted(elsewhere.said.items())),
                    "notes": list(elsewhere.notes),
                },
                "resolvedDependencies": [
                    {
                        "name": f"base model {evidence.base.name}",
                        "digest": {"sha256": evidence.base.weights_digest},
                    },
                    *(
                        {"name": f"as it came: {name}", "digest": {"sha256": digest}}
                        for name, digest in sorted(elsewhere.files.items())
                    ),
                ],
            },
            "runDetails": {
                "builder": {
                    "id": BUILDER,
                    "version": {"civicbench": evidence.training.code_version},
                },
                "metadata": {"invocationId": f"urn:civicbench:version:{evidence.digest}"},
            },
        },
    }


def state_test_results(evidence: Evidence, *, files: Mapping[str, str]) -> dict[str, Statement]:
    """Return for each suite what its tests showed, by the suite's name.

    A rule of the gate is a test: it passed or failed as the gate found. A headline measure on
    which the version is worse than its base is a warning, and so is a suite that no rule judges.

    Args:
        evidence: What is known of the version.
        files: sha256 of each of the version's files by path.
    """
    return {suite.name: _test_result(evidence, suite, files=files) for suite in evidence.suites}


def _test_result(evidence: Evidence, suite: SuiteFact, *, files: Mapping[str, str]) -> Statement:
    measures = [one for one in evidence.comparisons if one.suite == suite.name]
    rules = [one for one in evidence.gate.rules if _judges(one.rule, suite.name, measures)]
    passed = [f"rule: {verdict.rule.name}" for verdict in rules if verdict.passed]
    failed = [f"rule: {verdict.rule.name}" for verdict in rules if not verdict.passed]
    warned = [
        f"worse than the base: {one.task}, {one.metric}"
        for one in measures
        if one.headline and one.verdict == "worse"
    ]
    if not rules:
        warned.append(f"no rule of the gate {evidence.gate.gate} judges this suite")
    result = "FAILED" if failed else "WARNED" if warned else "PASSED"
    own = suite.tuned
    return {
        "_type": STATEMENT,
        "subject": _weights(evidence, files=files),
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": result,
            "configuration": [
                {
                    "name": f"items of {suite.name}",
                    "digest": {"sha256": own.items_digest},
                    "annotations": {"licence": suite.licence},
                },
                {"name": "prompts as asked", "digest": {"sha256": own.prompts_digest}},
                {
                    "name": f"gate {evidence.gate.gate}",
                    "digest": {"sha256": evidence.gate.digest},
                },
                {
                    "name": "measures",
                    "annotations": {
                        f"{one.task}, {one.metric}": json.loads(
                            one.model_dump_json(
                                include={"base", "tuned", "difference", "verdict", "p_value"}
                            )
                        )
                        for one in measures
                    },
                },
                *(
                    {"name": path, "digest": {"sha256": digest}}
                    for path, digest in sorted(files.items())
                    if path.startswith(f"scores/{suite.name}/")
                ),
            ],
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    }


def _judges(rule: AnyRule, suite: str, measures: Sequence[Comparison]) -> bool:
    """Return whether a rule of the gate is about a suite."""
    match rule:
        case Rule() | OverRefusal():
            return rule.suite == suite
        case SafetyChange():
            return bool(rule.choose(measures))
        case DomainGain():
            named = not rule.suites or suite in rule.suites
            return named and any(one.headline and one.kind == "domain" for one in measures)
        case JudgeAgreement():
            return suite in rule.suites
        case _:
            return False


def _weights(evidence: Evidence, *, files: Mapping[str, str]) -> list[dict[str, object]]:
    folder = trained_folder(evidence.training.method) + "/"
    return [
        {"name": path, "digest": {"sha256": digest}}
        for path, digest in sorted(files.items())
        if path.startswith(folder)
    ]
