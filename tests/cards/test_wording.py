import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from civicbench.cards.wording import (
    decimals_apart,
    format_bytes,
    format_change,
    format_probability,
    format_time,
    format_value,
    visible,
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


@given(st.text())
def test_nothing_hidden_is_left_in_visible_text(text: str) -> None:
    for letter in visible(text):
        assert letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(letter) not in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI")


@given(st.text(st.characters(categories=("L", "N", "P", "Zs"))))
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text
