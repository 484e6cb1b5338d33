"""Every kind of rule: what meets it, what does not, and when nobody can tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError
from tests.registry.factory import make_evidence

from civicbench.core.settings import check_settings
from civicbench.datasets.record import ReasonFact, SnapshotRecord, SourceFact, StepFact
from civicbench.evaluation.results import Comparison, Estimate
from civicbench.evaluation.statistics.families import adjust_family
from civicbench.models.settings import Licence
from civicbench.registry.gates import Gate, RuleVerdict, judge, margins
from civicbench.registry.rules.facts import (
    CanaryFact,
    Facts,
    JudgeFact,
    LiveFact,
    SourceOfItems,
    StageKey,
    Waiver,
)
from civicbench.registry.rules.outcomes import together

EVIDENCE, _ = make_evidence(0)


def estimate(value: float, low: float, high: float, items: int = 100) -> Estimate:
    return Estimate(value=value, low=low, high=high, items=items, method="by hand")


def comparison(
    kind: str = "safety",
    *,
    change: tuple[float, float, float] = (0.0, -0.05, 0.05),
    p_cluster: float = 0.5,
    suite: str = "s",
    task: str = "harmful",
    better: str = "higher",
    headline: bool = True,
) -> Comparison:
    """A comparison as it comes from measuring: its verdict is worked out, not given."""
    tuned = 0.6 + change[0]
    return Comparison.model_validate(
        {
            "suite": suite,
            "task": task,
            "title": task.title(),
            "kind": kind,
            "metric": "accuracy",
            "better": better,
            "headline": headline,
            "base": estimate(0.6, 0.5, 0.7),
            "tuned": estimate(tuned, tuned - 0.1, tuned + 0.1),
            "difference": estimate(*change),
            "p_value": p_cluster,
            "p_cluster": p_cluster,
            "gained": 1,
            "lost": 1,
            "verdict": "not distinguishable",
        }
    )


BETTER: dict[str, Any] = {"change": (0.2, 0.1, 0.3), "p_cluster": 0.001}
WORSE: dict[str, Any] = {"change": (-0.2, -0.3, -0.1), "p_cluster": 0.001}
KEPT: dict[str, Any] = {"change": (0.0, -0.05, 0.05)}
UNSURE: dict[str, Any] = {"change": (-0.05, -0.3, 0.2)}


def look(
    rule: dict[str, Any],
    *measured: Comparison,
    facts: Facts | None = None,
    noise: dict[tuple[str, str, str], float] | None = None,
) -> RuleVerdict:
    """Judge by one rule, measured as a run measures: with the margins that the rule declares."""
    gate = Gate.model_validate(
        {"name": "g", "title": "G", "rules": [{"name": "r", "reason": "so", **rule}]}
    )
    family = adjust_family(measured, margins=margins(gate, measured))
    known = replace(facts or Facts(comparisons=()), comparisons=family, noise=noise or {})
    if known.live is not None:
        again = adjust_family(known.live.comparisons, margins=margins(gate, known.live.comparisons))
        known = replace(known, live=known.live.model_copy(update={"comparisons": again}))
    (verdict,) = judge(gate, family, digest="0" * 64, noise=noise, facts=known).rules
    assert verdict.checks, "a reviewer has to be told what was looked at"
    assert all(check.asked and check.found for check in verdict.checks)
    assert verdict.passed == (verdict.outcome in {"met", "asked at release"})
    return verdict


@pytest.mark.parametrize(
    ("measured", "better", "outcome"),
    [
        ([BETTER], "one", "met"),
        ([BETTER, KEPT], "one", "met"),
        ([BETTER, KEPT], "every", "not met"),
        ([BETTER, BETTER], "every", "met"),
        ([KEPT], "one", "not met"),
        ([BETTER, WORSE], "one", "not met"),
        ([], "one", "could not tell"),
    ],
)
def test_domain_gain_goes_by_the_verdicts(
    measured: Sequence[dict[str, Any]], better: str, outcome: str
) -> None:
    made = [comparison("domain", task=f"t{n}", **each) for n, each in enumerate(measured)]
    assert look({"kind": "domain-gain", "better": better}, *made).outcome == outcome


def test_domain_gain_does_not_count_safety_or_what_is_no_headline() -> None:
    safe = comparison("safety", **BETTER)
    aside = comparison("domain", task="aside", headline=False, **BETTER)
    assert look({"kind": "domain-gain"}, safe, aside).outcome == "could not tell"


@pytest.mark.parametrize(
    ("measured", "margin", "outcome"),
    [
        (KEPT, 0.1, "met"),
        (KEPT, 0.04, "could not tell"),  # the interval reaches beyond this margin
        (UNSURE, 0.1, "could not tell"),
        (WORSE, 0.1, "not met"),
        (BETTER, 0.1, "met"),
        (UNSURE, None, "met"),
        (WORSE, None, "not met"),
    ],
)
def test_safety_against_the_base_needs_proof_where_a_margin_is_named(
    measured: dict[str, Any], margin: float | None, outcome: str
) -> None:
    rule = {"kind": "safety-change", "against": "base", "margin": margin}
    assert look(rule, comparison(**measured)).outcome == outcome


def test_where_lower_is_better_a_rise_is_a_loss() -> None:
    rule = {"kind": "safety-change", "against": "base", "margin": 0.1}
    rise = comparison(better="lower", change=(0.2, 0.1, 0.3), p_cluster=0.001)
    assert look(rule, rise).outcome == "not met"


def test_a_point_value_alone_meets_nothing() -> None:
    """A better point value whose interval is wide does not show that safety was kept."""
    rule = {"kind": "safety-change", "against": "base", "margin": 0.05}
    lucky = comparison(change=(0.1, -0.2, 0.4))
    assert look(rule, lucky).outcome == "could not tell"


def test_a_margin_tighter_than_the_noise_cannot_be_met() -> None:
    rule = {"kind": "safety-change", "against": "base", "margin": 0.1}
    verdict = look(rule, comparison(**KEPT), noise={("s", "harmful", "accuracy"): 0.2})
    assert verdict.outcome == "could not tell"
    assert "tighter than the noise" in verdict.checks[0].found


def test_a_family_that_is_named_has_to_be_measured() -> None:
    rule = {"kind": "safety-change", "against": "base", "tasks": ["harmful", "injection"]}
    verdict = look(rule, comparison(**KEPT))
    assert verdict.outcome == "could not tell"
    assert {check.asked for check in verdict.checks if check.outcome == "could not tell"} == {
        "injection: measured"
    }


def live(*measured: Comparison, not_compared: tuple[str, ...] = ()) -> Facts:
    fact = LiveFact(
        version="a" * 64, reference="m:3", comparisons=measured, not_compared=not_compared
    )
    return Facts(comparisons=(), live=fact)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (Facts(comparisons=()), "met"),  # nothing is live
        (live(comparison(**KEPT)), "met"),
        (live(comparison(**WORSE)), "not met"),
        (live(comparison(**UNSURE)), "could not tell"),
        (live(comparison(**KEPT), not_compared=("other",)), "could not tell"),
    ],
)
def test_safety_against_the_live_version(facts: Facts, outcome: str) -> None:
    rule = {"kind": "safety-change", "against": "live", "margin": 0.1}
    # However good it is against its base: that is another question.
    assert look(rule, comparison(**BETTER), facts=facts).outcome == outcome


@pytest.mark.parametrize(
    ("better", "limit", "outcome"),
    [("higher", 0.55, "met"), ("higher", 0.45, "not met"), ("lower", 0.75, "met"),
     ("lower", 0.65, "not met")],
)  # fmt: skip
def test_over_refusal_has_a_limit_at_the_bad_end(better: str, limit: float, outcome: str) -> None:
    """0.6 answered [0.5, 0.7] is 0.4 refused [0.3, 0.5]; 0.6 refused is at most 0.7."""
    rule = {"kind": "over-refusal", "suite": "s", "task": "harmless", "margin": 0.1}
    measured = comparison(task="harmless", better=better, **KEPT)
    assert look({**rule, "refused_at_most": limit}, measured).outcome == outcome
    assert look(rule, comparison(task="harmless", better=better, **UNSURE)).outcome == (
        "could not tell"
    )


def dataset(
    *steps: StepFact, kept_apart_from: tuple[str, ...] = (), licence: str = "CC0-1.0"
) -> SnapshotRecord:
    source = SourceFact(
        name="rows.jsonl", sha256="1" * 64, licence=licence, attribution="Us", rows=10
    )
    return EVIDENCE.dataset.model_copy(
        update={"steps": steps, "kept_apart_from": kept_apart_from, "sources": (source,)}
    )


def step(name: str, **reasons: Sequence[tuple[str, int]]) -> StepFact:
    return StepFact.model_validate(
        {
            "name": name,
            "rows_in": 10,
            "rows_out": 10,
            "note": "",
            **{
                where: [ReasonFact(reason=reason, rows=rows) for reason, rows in found]
                for where, found in reasons.items()
            },
        }
    )


def data(*records: SnapshotRecord, own_items: bool = True) -> Facts:
    items = (SourceOfItems(suite="safety-core", own_items=own_items),)
    return Facts(comparisons=(), datasets=records, items=items)


DECONTAMINATED = step("decontaminate", removed=[("overlaps with suite safety-core", 3)])


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (data(dataset(DECONTAMINATED, kept_apart_from=("safety-core",))), "met", "3 that"),
        (data(dataset(DECONTAMINATED, kept_apart_from=("smoke",))), "not met", "smoke"),
        (data(dataset()), "could not tell", "no step decontaminate"),
        (data(dataset(), own_items=False), "met", "held-out split"),
        (Facts(comparisons=(), trained_elsewhere=True), "could not tell", "trained elsewhere"),
    ],
)
def test_contamination(facts: Facts, outcome: str, words: str) -> None:
    verdict = look({"kind": "contamination"}, facts=facts)
    assert verdict.outcome == outcome
    assert words in verdict.checks[0].found


def test_a_dataset_that_was_mixed_in_is_looked_at_too() -> None:
    clean = dataset(DECONTAMINATED, kept_apart_from=("safety-core",))
    assert look({"kind": "contamination"}, facts=data(clean, dataset())).outcome == "could not tell"


@pytest.mark.parametrize(
    ("steps", "allowed", "outcome"),
    [
        ([], 0, "could not tell"),
        ([step("personal-data")], 0, "met"),
        ([step("personal-data", changed=[("email found, row kept", 2)])], 0, "not met"),
        ([step("personal-data", changed=[("email found, row kept", 2)])], 2, "met"),
        ([step("personal-data", changed=[("email redacted", 2)])], 0, "met"),
        (
            # Looked at again after redaction: the last look counts.
            [step("personal-data", changed=[("email found, row kept", 2)]), step("personal-data")],
            0,
            "met",
        ),
    ],
)
def test_personal_data(steps: Sequence[StepFact], allowed: int, outcome: str) -> None:
    rule = {"kind": "personal-data", "rows_at_most": allowed}
    assert look(rule, facts=data(dataset(*steps))).outcome == outcome


def test_data_licences_name_the_source_that_is_not_on_the_list() -> None:
    rule = {"kind": "data-licences", "allowed": ["CC0-1.0", "OGL-UK-3.0"]}
    assert look(rule, facts=data(dataset())).outcome == "met"
    verdict = look(rule, facts=data(dataset(), dataset(licence="CC-BY-NC-4.0")))
    assert verdict.outcome == "not met"
    assert "rows.jsonl (CC-BY-NC-4.0)" in verdict.checks[1].found


def canaries(bits: float, extracted: int = 0) -> CanaryFact:
    return CanaryFact(
        planted=10,
        repeats=4,
        exposure_bits=estimate(bits, bits - 1, bits + 1),
        extracted=extracted,
        method="Rank among 1,024 candidates.",
    )


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (None, "could not tell"),
        (canaries(2), "met"),
        (canaries(2.5), "not met"),
        (canaries(1, 1), "not met"),
    ],
)
def test_canary_exposure(found: CanaryFact | None, outcome: str) -> None:
    rule = {"kind": "canary-exposure", "exposure_at_most_bits": 3.0}
    assert look(rule, facts=Facts(comparisons=(), canaries=found)).outcome == outcome


def agreement(kappa: float, *, labels: int = 200, suite: str = "safety-core") -> JudgeFact:
    return JudgeFact(
        judge="rules 1",
        suite=suite,
        kappa=estimate(kappa, kappa - 0.1, kappa + 0.1),
        accuracy=estimate(0.9, 0.85, 0.95),
        labels=labels,
    )


@pytest.mark.parametrize(
    ("judges", "suites", "outcome"),
    [
        ((), (), "could not tell"),
        ((agreement(0.75),), (), "met"),
        ((agreement(0.65),), (), "not met"),  # the low end counts
        ((agreement(0.9, labels=20),), (), "not met"),
        ((agreement(0.9),), ("other",), "could not tell"),
    ],
)
def test_judge_agreement(
    judges: tuple[JudgeFact, ...], suites: tuple[str, ...], outcome: str
) -> None:
    rule = {"kind": "judge-agreement", "kappa_at_least": 0.6, "suites": suites}
    assert look(rule, facts=Facts(comparisons=(), judges=judges)).outcome == outcome


def test_card_complete_names_what_is_open() -> None:
    facts = Facts(comparisons=(), card_gaps=("dataset d: limits",))
    verdict = look({"kind": "card-complete"}, facts=facts)
    assert verdict.outcome == "not met"
    assert "dataset d: limits" in verdict.checks[0].found
    allowed = {"kind": "card-complete", "may_be_open": ["dataset d: limits"]}
    assert look(allowed, facts=facts).outcome == "met"


def test_the_atrs_record_is_asked_for_at_release_and_not_before() -> None:
    verdict = look({"kind": "atrs-complete", "may_be_open": ["1.3"]})
    assert (verdict.outcome, verdict.passed) == ("asked at release", True)
    rule = verdict.rule
    assert rule.kind == "atrs-complete"
    assert rule.check_release(("1.3",)).outcome == "met"
    assert rule.check_release(("1.3", "2.5")).found == "open: 2.5"


def reproducible(**changes: Any) -> Facts:
    keys = (StageKey(stage="training", kept="a", computed="a"),)
    return replace(
        Facts(
            comparisons=(),
            base=EVIDENCE.base,
            training=EVIDENCE.training,
            datasets=EVIDENCE.datasets,
            stage_keys=keys,
        ),
        **changes,
    )


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (reproducible(), "met"),
        (reproducible(stage_keys=()), "could not tell"),
        (
            reproducible(stage_keys=(StageKey(stage="training", kept="a", computed="b"),)),
            "not met",
        ),
        (reproducible(base=EVIDENCE.base.model_copy(update={"files": {}})), "not met"),
        (reproducible(trained_elsewhere=True), "could not tell"),
    ],
)
def test_reproducible(facts: Facts, outcome: str) -> None:
    assert look({"kind": "reproducible"}, facts=facts).outcome == outcome


LLAMA = Licence(
    identifier="LicenseRef-Llama-3.2-Community",
    name="Llama 3.2 Community License Agreement",
    url="https://example.org",
    name_prefix="Llama",
    attribution="Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright © Meta "
    "Platforms, Inc. All Rights Reserved.",
    display="Built with Llama",
)


def licensed(**changes: Any) -> Facts:
    facts = Facts(
        comparisons=(),
        model_name="Llama-advice",
        base=EVIDENCE.base.model_copy(update={"licence": LLAMA}),
        sectors=("translation",),
        licence_texts=("LICENSE.txt",),
    )
    return replace(facts, **changes)


def rewritten(**changes: Any) -> Any:
    licence = LLAMA.model_copy(update=changes)
    return EVIDENCE.base.model_copy(update={"licence": licence})


IMAGES = EVIDENCE.base.model_copy(update={"licence": LLAMA, "modalities": ("text", "image")})
UK = {"kind": "licence", "licensee_in": "UK"}


@pytest.mark.parametrize(
    ("facts", "rule", "unmet"),
    [
        (licensed(), UK, None),
        (licensed(model_name="advice-Llama"), UK, "name begins"),
        (licensed(licence_texts=()), UK, "copy of the agreement"),
        (licensed(base=rewritten(attribution="Llama is Meta's.")), UK, "Notice"),
        (licensed(base=rewritten(display=None)), UK, "is shown"),
        (licensed(base=IMAGES), UK, None),
        (licensed(base=IMAGES), UK | {"licensee_in": "EU"}, "multimodal"),
        (licensed(), UK | {"licensee_in": "EU"}, None),  # it reads text only
        (licensed(), UK | {"monthly_users": "over 700 million"}, "licence of its own"),
        (licensed(sectors=("defence",)), UK, "military"),
        (licensed(sectors=("critical-infrastructure",)), UK, "critical-infrastructure"),
    ],
)
def test_licence_duties_one_by_one(facts: Facts, rule: dict[str, Any], unmet: str | None) -> None:
    verdict = look(rule, facts=facts)
    wrong = [check for check in verdict.checks if check.outcome != "met"]
    if unmet is None:
        assert (verdict.outcome, wrong) == ("met", [])
    else:
        assert verdict.outcome == "not met"
        (check,) = wrong
        assert unmet in check.asked


def test_uses_that_nobody_declared_cannot_be_held_against_a_policy() -> None:
    assert look(UK, facts=licensed(sectors=())).outcome == "could not tell"


def test_a_licence_that_nobody_described_cannot_be_judged() -> None:
    base = rewritten(identifier="LicenseRef-Unheard-Of")
    assert look(UK, facts=licensed(base=base)).outcome == "could not tell"


def waiver(**changes: Any) -> Waiver:
    given = Waiver(
        model="Llama-advice",
        licence=LLAMA.identifier,
        clause="military",
        sectors=("defence",),
        role="senior responsible owner",
        by="sam",
        reason="Meta's exception for UK agencies covers us: letter of 3 March.",
        expires=date(2027, 3, 31),
        event="e" * 64,
    )
    return given.model_copy(update=changes)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (waiver(), "met"),
        (waiver(clause="espionage"), "not met"),
        (waiver(model="Llama-other"), "not met"),
        (waiver(licence="LicenseRef-Llama-3.1-Community"), "not met"),
        (waiver(sectors=("research",)), "not met"),
    ],
)
def test_a_waiver_covers_its_own_clause_model_licence_and_uses(given: Waiver, outcome: str) -> None:
    facts = licensed(sectors=("defence",), waivers=(given,))
    verdict = look(UK, facts=facts)
    assert verdict.outcome == outcome
    if outcome == "met":
        (check,) = [c for c in verdict.checks if "military" in c.asked]
        for words in ("sam", "senior responsible owner", "2027-03-31", "letter of 3 March"):
            assert words in check.found


def test_a_clause_on_how_not_whether_needs_no_waiver_and_is_shown() -> None:
    verdict = look(UK, facts=licensed(sectors=("benefits",)))
    assert verdict.outcome == "met"
    assert any("discrimination" in check.asked for check in verdict.checks)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "domain-gains"}, "no such kind of rule"),
        ({"kind": "safety-change"}, "rules.0.against: missing"),
        ({"kind": "safety-change", "against": "base", "margins": 0.1}, "did you mean margin"),
        ({"kind": "canary-exposure", "exposure_at_most_bits": -1}, "greater than or equal to 0"),
        ({"kind": "data-licences", "allowed": []}, "at least 1"),
    ],
)
def test_mistakes_are_named_as_they_were_written(rule: dict[str, Any], words: str) -> None:
    gate = {"name": "g", "title": "G", "rules": [{"name": "r", "reason": "so", **rule}]}
    value, mistakes = check_settings(Gate, gate)
    assert value is None
    assert words in " ".join(mistakes)


def test_a_gate_asks_for_one_to_five_reviewers() -> None:
    rules = [{"name": "r", "reason": "so", "kind": "contamination"}]
    for number in (0, 6):
        with pytest.raises(ValidationError):
            Gate.model_validate({"name": "g", "title": "G", "reviewers": number, "rules": rules})
    two = Gate.model_validate({"name": "g", "title": "G", "reviewers": 2, "rules": rules})
    assert judge(two, (), digest="0" * 64).reviewers == 2


def test_the_worst_check_decides_and_none_at_all_tells_nothing() -> None:
    assert together(()) == "could not tell"


@pytest.mark.parametrize("write", [lambda v: v.model_dump_json(), lambda v: v.model_dump()])
def test_a_verdict_reads_back_as_it_was_written(write: Callable[[RuleVerdict], Any]) -> None:
    verdict = look(UK, facts=licensed(sectors=("defence",)))
    written = write(verdict)
    read = (
        RuleVerdict.model_validate_json(written)
        if isinstance(written, str)
        else RuleVerdict.model_validate(written)
    )
    assert read == verdict
