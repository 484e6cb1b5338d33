import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.registry.factory import make_evidence

from civicbench.evaluation.results import Estimate, Verdict
from civicbench.pages.wording import (
    decimals_apart,
    explain_verdict,
    format_bytes,
    format_change,
    format_estimate,
    format_probability,
    format_time,
    format_value,
    verdict_tag,
)


@given(right=st.integers(0, 5000), items=st.integers(1, 5000))
def test_a_share_reads_as_all_or_nothing_only_where_it_is(right: int, items: int) -> None:
    share = min(right, items) / items
    shown = float(format_value(share, rate=True).removesuffix("%"))
    assert (shown == 100) == (share == 1)
    assert (shown == 0) == (share == 0)
    assert abs(shown - share * 100) <= 0.051


@given(st.floats(-1, 1).filter(lambda change: abs(change) > 1e-6 or change == 0))
@example(-1e-5)
def test_the_sign_of_a_change_can_be_seen(change: float) -> None:
    shown = float(format_change(change, rate=True).replace("−", "-"))
    assert (shown > 0, shown < 0) == (change > 0, change < 0)


def test_nought_has_no_minus() -> None:
    assert format_change(-0.0, rate=True) == "+0.0"


@pytest.mark.parametrize(
    ("p_value", "shown"),
    [(None, "no p-value"), (1e-9, "p < 0.001"), (0.001, "p = 0.001"), (0.0421, "p = 0.042")],
)
def test_probabilities(p_value: float | None, shown: str) -> None:
    assert format_probability(p_value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(4.25, "4.2 seconds"), (59.999, "1 min 0 s"), (238.4, "3 min 58 s"), (7261, "2 h 1 min")],
)
def test_times(seconds: float, shown: str) -> None:
    assert format_time(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(999, "999 bytes"), (2_400_000_000, "2.40 GB"), (5 * 10**15, "5000.00 TB")],
)
def test_memory(number: int, shown: str) -> None:
    assert format_bytes(number) == shown


def test_decimals_grow_until_a_number_and_its_mark_read_apart() -> None:
    assert decimals_apart([0.7996], [0.8], scale=100) == 2
    assert decimals_apart([0.8], [0.8], scale=100) == 1


def test_none_and_all_stand_with_their_bound() -> None:
    none = Estimate(value=0, low=0, high=0.08, items=44, method="Wilson", bound=0.0658)
    assert [part.text for part in format_estimate(none, rate=True)][2:] == ["0 of 44; at most 6.6%"]
    every = none.model_copy(update={"value": 1.0, "bound": 0.9342, "bound_together": 0.794})
    assert format_estimate(every, rate=True)[2].text == (
        "44 of 44; at least 93.4%, or 79.4% if items of one group stand or fall together"
    )
    assert len(format_estimate(none.model_copy(update={"bound": None}), rate=True)) == 2


@pytest.mark.parametrize(
    ("verdict", "colour", "sentence"),
    [
        ("better", "green", "wholly on one side of nought (p = 0.040, adjusted"),
        ("worse", "red", "wholly on one side of nought (p = 0.040, adjusted"),
        ("no worse by more than the margin", "blue", "smaller than the margin of 20.0 points."),
        ("not distinguishable", "grey", "show one of 15.0 points four times in five."),
    ],
)
def test_every_verdict_has_its_colour_and_its_sentence(
    verdict: Verdict, colour: str, sentence: str
) -> None:
    changes = {"verdict": verdict, "margin": 0.2, "p_holm": 0.04, "minimum_detectable": 0.15}
    comparison = make_evidence()[0].comparisons[0].model_copy(update=changes)
    assert verdict_tag(verdict).colour == colour
    assert len(verdict) <= 40
    assert sentence in explain_verdict(comparison)
