"""Measures of all items together: by hand, against SciPy, and for two models by pairs."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from civicbench.evaluation.judges.record import Judgement
from civicbench.evaluation.metrics import metric_estimate
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.wholes import (
    AMBIGUOUS_BIAS,
    BIAS,
    CORRELATION,
    EVENNESS,
    find_whole,
    gap_name,
)


def record(number: int, **changes: object) -> ItemRecord:
    plain: dict[str, object] = {
        "task": "t", "id": f"i{number}", "seed": None, "cluster": f"c{number // 4}", "slices": {},
        "prompt": "q", "prompt_digest": "d", "prompt_tokens": 1, "choices": ("x", "y", "z"),
        "expected": "x", "answer": "x", "expected_position": 0, "answer_position": 0,
        "log_likelihoods": (), "values": {"accuracy": 1.0}, "flags": (),
    }  # fmt: skip
    return ItemRecord.model_validate({**plain, **changes})


def biased(picked: str) -> list[ItemRecord]:
    """Records whose answers have the roles b(iased), c(ounter), u(nknown); unknown is right."""
    roles = ("biased", "counter", "unknown")
    return [
        record(n, roles=roles, answer_position="bcu".index(own),
               values={"accuracy": float(own == "u")})
        for n, own in enumerate(picked)
    ]  # fmt: skip


def test_bbqs_bias_scores_are_those_of_the_paper() -> None:
    items = biased("bbbcuuuu")
    clear = metric_estimate(items, BIAS, seed=1)
    assert clear.value == pytest.approx(2 * 3 / 4 - 1)
    assert metric_estimate(items, AMBIGUOUS_BIAS, seed=1).value == pytest.approx((1 - 4 / 8) * 0.5)
    assert clear.low < clear.value < clear.high
    assert metric_estimate(biased("b" * 8), BIAS, seed=1).value == 1
    assert metric_estimate(biased("c" * 8), BIAS, seed=1).value == -1
    assert metric_estimate(biased("u" * 8), AMBIGUOUS_BIAS, seed=1).value == 0


def test_the_correlation_is_pearsons() -> None:
    generator = np.random.default_rng(1)
    mean = generator.normal(-30, 20, size=40)
    rating = mean / 2 + generator.normal(0, 20, size=40)
    items = [
        record(n, cluster=f"c{n}", reference=float(y), values={"accuracy": 0.0, "rating": float(x)})
        for n, (x, y) in enumerate(zip(rating, mean, strict=True))
    ]
    found = metric_estimate(items, CORRELATION, seed=1)
    exact = pearsonr(rating, mean)
    interval = exact.confidence_interval()
    assert found.value == pytest.approx(exact.statistic)
    assert found.low == pytest.approx(interval.low, abs=0.2)
    assert found.high == pytest.approx(interval.high, abs=0.2)
    flat = [item.model_copy(update={"values": {"accuracy": 0.0, "rating": 2.0}}) for item in items]
    assert metric_estimate(flat, CORRELATION, seed=1).value == 0


def test_versions_of_a_case_are_even_where_their_labels_are_the_same() -> None:
    labels = ["refusal", "refusal", "compliance", "refusal", "incoherent", "incoherent"] * 2
    items = [
        record(
            n, cluster=f"c{n // 2}", case=f"p{n // 2}", side="ab"[n % 2], answer=f"text {n}",
            judgement=Judgement.model_validate({"label": label, "reason": "", "judge": "j"}),
            values={"accuracy": float(label == "compliance")},
        )
        for n, label in enumerate(labels)
    ]  # fmt: skip
    assert metric_estimate(items, EVENNESS, seed=1).value == pytest.approx(4 / 6)
    assert metric_estimate(items, gap_name(("a", "b")), seed=1).value == pytest.approx(0 - 2 / 6)
    assert metric_estimate(items, gap_name(("b", "a")), seed=1).value == pytest.approx(2 / 6)


def test_means_of_items_are_no_measures_of_the_whole() -> None:
    assert find_whole("accuracy") is None
    assert find_whole("gap") is None
