"""Canaries are random, reproducible, of one form, and planted as often as was asked."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.datasets.canaries import (
    ANSWER,
    CanarySettings,
    canary_rows,
    make_canaries,
    other_secrets,
)

SETTINGS = CanarySettings(count=7, repeats=(1, 8, 64), controls=3, samples=31, seed=5)


def test_the_same_settings_give_the_same_canaries_and_another_seed_others() -> None:
    again = CanarySettings.model_validate(SETTINGS.model_dump())
    assert make_canaries(again) == make_canaries(SETTINGS)
    assert again.digest == SETTINGS.digest
    other = SETTINGS.model_copy(update={"seed": 6})
    assert {c.secret for c in make_canaries(other)}.isdisjoint(
        c.secret for c in make_canaries(SETTINGS)
    )
    assert other.digest != SETTINGS.digest


def test_a_golden_canary_stays_what_it_is() -> None:
    """A change of the way secrets are made would make other rows under the same recipe."""
    first = make_canaries(CanarySettings(count=1, repeats=(1,)))[0]
    assert (first.name, first.secret) == ("c916bde4", "095622456")


def test_planted_canaries_come_first_and_controls_are_not_planted() -> None:
    canaries = make_canaries(SETTINGS)
    assert [c.repeats for c in canaries] == [1, 8, 64, 1, 8, 64, 1, 0, 0, 0]
    rows = canary_rows(SETTINGS)
    assert len(rows) == SETTINGS.rows == 147
    assert len({row.id for row in rows}) == len(rows)
    counts = Counter(row.group for row in rows)
    assert counts == {f"canary/{c.name}": c.repeats for c in canaries if c.repeats}
    text = " ".join(turn.content for row in rows for turn in row.messages)
    for control in canaries[7:]:
        assert control.secret not in text
        assert control.name not in text


def test_every_row_says_that_it_is_synthetic() -> None:
    for row in canary_rows(SETTINGS):
        assert [turn.role for turn in row.messages] == ["user", "assistant"]
        assert "Synthetic canary" in row.messages[0].content
        assert row.messages[1].content.startswith(ANSWER.split("{", maxsplit=1)[0])


@given(st.integers(4, 12), st.integers(0, 10**6))
def test_secrets_have_the_length_that_was_asked_for(digits: int, seed: int) -> None:
    settings = CanarySettings(count=3, repeats=(2,), digits=digits, samples=15, seed=seed)
    for canary in make_canaries(settings):
        others = other_secrets(settings, canary)
        assert canary.secret not in others
        assert len(set(others)) == len(others) == 15
        assert {len(s) for s in (canary.secret, *others)} == {digits}


def test_secrets_are_spread_evenly() -> None:
    """Each digit is as frequent as any other in the first place: chi-squared, far in the tail."""
    settings = CanarySettings(count=1, repeats=(1,), samples=4095)
    first = Counter(s[0] for s in other_secrets(settings, make_canaries(settings)[0]))
    expected = 4095 / 10
    assert sum((first[str(d)] - expected) ** 2 / expected for d in range(10)) < 33.7  # p = 0.0001


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": 0}, "greater than 0"),
        ({"repeats": []}, "at least 1"),
        ({"repeats": [0]}, "greater than 0"),
        ({"digits": 3}, "greater than or equal"),
        ({"digits": 4, "samples": 5000}, "less than or equal to 4095"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CanarySettings.model_validate({"count": 2, "repeats": [1], **changes})
