import pytest
from pydantic import ValidationError
from tests.registry.factory import make_evidence

from civicbench.evaluation.results import Comparison, Estimate
from civicbench.registry.gate_files import gate_digest
from civicbench.registry.gates import Gate, Judged, Rule, judge, margins


def estimate(value: float, *, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, items=100, method="by hand")


def comparison() -> Comparison:
    """Accuracy from 0.50 [0.40, 0.60] to 0.70 [0.60, 0.78]: 0.20 [0.10, 0.30] better."""
    return Comparison(
        suite="domain",
        task="area",
        title="Advice area",
        kind="domain",
        metric="accuracy",
        better="higher",
        headline=True,
        base=estimate(0.5, low=0.4, high=0.6),
        tuned=estimate(0.7, low=0.6, high=0.78),
        difference=estimate(0.2, low=0.1, high=0.3),
        p_value=0.001,
        gained=25,
        lost=5,
        verdict="better",
    )


def rule(
    *,
    of: str = "difference",
    judged_by: Judged = "interval low",
    at_least: float | None = None,
    at_most: float | None = None,
    metric: str = "accuracy",
) -> Rule:
    return Rule.model_validate(
        {
            "name": "rule",
            "reason": "because",
            "suite": "domain",
            "task": "area",
            "metric": metric,
            "of": of,
            "judged_by": judged_by,
            "at_least": at_least,
            "at_most": at_most,
        }
    )


@pytest.mark.parametrize(
    ("of", "judged_by", "at_least", "at_most", "passed"),
    [
        ("difference", "interval low", 0.1, None, True),  # the threshold itself is enough
        ("difference", "interval low", 0.11, None, False),
        ("difference", "estimate", 0.2, None, True),
        ("difference", "estimate", 0.21, None, False),
        ("difference", "interval high", None, 0.3, True),
        ("difference", "interval high", None, 0.29, False),
        ("tuned", "interval low", 0.6, None, True),
        ("tuned", "interval low", 0.61, None, False),
        ("tuned", "interval high", None, 0.78, True),
        ("tuned", "estimate", None, 0.69, False),
    ],
)
def test_verdicts_by_hand(
    of: str, judged_by: Judged, at_least: float | None, at_most: float | None, passed: bool
) -> None:
    tried = rule(of=of, judged_by=judged_by, at_least=at_least, at_most=at_most)
    verdict = judge(Gate(name="g", title="G", rules=(tried,)), [comparison()], digest="0" * 64)
    assert verdict.passed is passed
    assert verdict.rules[0].measured == (
        comparison().tuned if of == "tuned" else comparison().difference
    )
    assert verdict.rules[0].base == comparison().base


def test_a_metric_that_was_not_measured_fails_its_rule() -> None:
    gate = Gate(name="g", title="G", rules=(rule(metric="f1", at_least=-9.0),))
    verdict = judge(gate, [comparison()], digest="0" * 64)
    assert not verdict.passed
    assert verdict.rules[0].measured is None


def test_one_failing_rule_fails_the_gate() -> None:
    gate = Gate(name="g", title="G", rules=(rule(at_least=0.0), rule(at_least=0.9)))
    verdict = judge(gate, [comparison()], digest="0" * 64)
    assert [found.passed for found in verdict.rules] == [True, False]
    assert not verdict.passed


@pytest.mark.parametrize(("at_least", "at_most"), [(None, None), (0.1, 0.2)])
def test_a_rule_has_exactly_one_threshold(at_least: float | None, at_most: float | None) -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        rule(at_least=at_least, at_most=at_most)


def test_a_gate_of_before_there_were_kinds_keeps_its_digest() -> None:
    """Versions, registrations and approvals name gates by it."""
    written = {
        "name": "g",
        "title": "G",
        "rules": [
            {
                "name": "r", "reason": "so", "suite": "s", "task": "t", "of": "tuned",
                "judged_by": "estimate", "at_least": 0.5,
            }
        ],
    }  # fmt: skip
    gate = Gate.model_validate(written)
    assert gate_digest(gate) == GOLDEN
    # Written with its kind, or with one reviewer, it is the same gate.
    written["rules"][0]["kind"] = "measured"  # type: ignore[index]
    assert gate_digest(Gate.model_validate({**written, "reviewers": 1})) == GOLDEN
    assert gate_digest(Gate.model_validate({**written, "reviewers": 2})) != GOLDEN


def test_a_gate_without_rules_is_refused() -> None:
    with pytest.raises(ValidationError):
        Gate(name="g", title="G", rules=())


def test_the_verdict_is_part_of_the_versions_name() -> None:
    assert make_evidence(0)[0].gate.passed
    failing, _ = make_evidence(0, gate_passes=False)
    assert not failing.gate.passed
    assert failing.digest != make_evidence(0)[0].digest


GOLDEN = "4f76a96ba0f791e38ed0dfd262ccae62935f9819a1ea39006b8fdd92b125cb07"
PLACE = ("domain", "area", "accuracy")


@pytest.mark.parametrize(
    ("noise", "passed"),
    [(None, True), ({}, True), ({PLACE: 0.05}, True), ({PLACE: 0.1}, True), ({PLACE: 0.11}, False)],
)
def test_a_rule_tighter_than_the_noise_does_not_pass_and_says_so(
    noise: dict[tuple[str, str, str], float] | None, passed: bool
) -> None:
    gate = Gate(name="g", title="G", rules=(rule(at_least=0.1),))
    verdict = judge(gate, [comparison()], digest="0" * 64, noise=noise)
    assert verdict.passed is passed
    assert ("tighter than the noise" in verdict.rules[0].note) is not passed


def test_noise_does_not_touch_rules_on_the_models_own_value() -> None:
    gate = Gate(name="g", title="G", rules=(rule(of="tuned", at_least=0.1),))
    assert judge(gate, [comparison()], digest="0" * 64, noise={PLACE: 0.5}).passed


def test_margins_are_the_losses_that_a_gate_tolerates() -> None:
    rules = (
        rule(at_least=-0.2),
        rule(at_least=-0.1),
        rule(metric="gain", at_least=0.05),
        rule(metric="nought", at_least=0.0),
        rule(metric="middle", judged_by="estimate", at_least=-0.3),
        rule(metric="own", of="tuned", at_least=-0.3),
        rule(metric="refusals", judged_by="interval high", at_most=0.15),
    )
    assert margins(Gate(name="g", title="G", rules=rules)) == {
        PLACE: 0.1,
        ("domain", "area", "refusals"): 0.15,
    }
