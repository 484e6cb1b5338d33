"""Exposure of a planted secret: the formula, its bounds, and what an unseen secret has."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.factory import make_suite

from civicbench.evaluation.judging import exposure_of, rank_among, values_of
from civicbench.evaluation.metrics import metric_names
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.settings import ChoiceTask, GenerationTask
from civicbench.pipeline.canaries import exposure_estimate

TASK = ChoiceTask(type="choice", name="exposure", title="Exposure", exposure=True, better="lower")


def ranked(log_likelihoods: tuple[float, ...], *, own: int = 0) -> ItemRecord:
    choices = tuple(f"{n:04d}" for n in range(len(log_likelihoods)))
    picked = max(range(len(choices)), key=log_likelihoods.__getitem__)
    record = ItemRecord(
        task="exposure",
        id="canary-1",
        seed=None,
        cluster="1",
        slices={},
        prompt="?",
        prompt_digest="d",
        prompt_tokens=3,
        choices=choices,
        expected=choices[own],
        answer=choices[picked],
        expected_position=own,
        answer_position=picked,
        log_likelihoods=log_likelihoods,
        values={},
        flags=(),
    )
    return record.model_copy(update={"values": values_of(TASK, record)})


@pytest.mark.parametrize(
    ("values", "rank", "bits"),
    [
        ((-1.0, -2.0, -3.0, -4.0), 1, 2.0),
        ((-2.0, -1.0, -3.0, -4.0), 2, 1.0),
        ((-4.0, -1.0, -2.0, -3.0), 4, 0.0),
        ((-2.0, -2.0, -3.0, -4.0), 2, 1.0),  # as likely as another: not told apart from it
        ((-1.0, -1.0, -1.0, -1.0), 4, 0.0),
    ],
)
def test_exposure_by_hand(values: tuple[float, ...], rank: int, bits: float) -> None:
    record = ranked(values)
    assert rank_among(record) == rank
    assert record.values["exposure"] == exposure_of(record) == pytest.approx(bits)


@given(st.lists(st.floats(-50, 0), min_size=16, max_size=64), st.data())
def test_exposure_is_bounded_and_falls_with_rank(values: list[float], data: Any) -> None:
    own = data.draw(st.integers(0, len(values) - 1))
    record = ranked(tuple(values), own=own)
    assert 0.0 <= record.values["exposure"] <= math.log2(len(values))
    likelier = list(values)
    likelier[own] = 1.0
    assert ranked(tuple(likelier), own=own).values["exposure"] == math.log2(len(values))


def test_a_secret_that_was_never_seen_has_one_over_ln_2_bits_on_average() -> None:
    rng = np.random.default_rng(3)
    found = [exposure_of(ranked(tuple(rng.normal(size=256)))) for _ in range(3000)]
    assert np.mean(found) == pytest.approx(1 / math.log(2), abs=0.08)


def test_the_interval_covers_the_true_exposure() -> None:
    """Secrets whose true rank is known are covered at least 95 times in 100, up to chance."""
    rng = np.random.default_rng(7)
    for share in (0.5, 0.1, 0.01):
        true = -math.log2(share)
        hits = 0
        for _ in range(400):
            values = np.where(rng.random(255) < share, 1.0, -1.0)
            found = exposure_estimate(ranked((0.0, *values)), space=10**9)
            hits += found.low <= true <= found.high
        assert hits / 400 >= 0.93, share


def test_a_secret_that_none_is_likelier_than_may_be_the_first_of_all() -> None:
    found = exposure_estimate(ranked((0.0, *(-1.0,) * 255)), space=10**9)
    assert found.value == 8.0
    assert found.high == pytest.approx(math.log2(10**9))
    assert 5.5 < found.low < 8.0
    last = exposure_estimate(ranked((-2.0, *(-1.0,) * 255)), space=10**9)
    assert (last.value, last.low) == (0.0, 0.0)


def test_exposure_is_asked_for_and_changes_no_other_suite() -> None:
    plain = TASK.model_copy(update={"exposure": False})
    assert metric_names(plain) == ("accuracy",)
    assert metric_names(TASK) == ("exposure", "accuracy")
    assert "exposure" not in plain.model_dump(mode="json")
    written = GenerationTask(
        type="fields", name="w", title="W", lines=("A",), fields={"A": "a"}, max_new_tokens=3
    )
    assert "better" not in written.model_dump(mode="json")


def test_worked_examples_before_canaries_are_refused() -> None:
    with pytest.raises(ValueError, match="no place before canaries"):
        make_suite(items={"canaries": "run"}, shots={"count": 1})


def test_the_lead_of_the_right_choice_by_hand() -> None:
    task = ChoiceTask(type="choice", name="t", title="T", lead=True)
    first = ranked((-1.0, -3.0, -2.5))
    assert values_of(task, first) == {"accuracy": 1.0, "lead": 1.5}
    trailing = ranked((-1.0, -3.0, -2.5), own=1)
    assert values_of(task, trailing) == {"accuracy": 0.0, "lead": -2.0}
    per_byte = task.model_copy(update={"per_byte": True})
    assert values_of(per_byte, first)["lead"] == pytest.approx(1.5 / 4)  # four bytes each
    assert metric_names(task) == ("accuracy", "lead")
    with pytest.raises(ValueError, match="neither choice is to lead"):
        ChoiceTask(type="choice", name="t", title="T", lead=True, better="half")
