import pytest
from tests.datasets.personal_data.figures import authored_lines, measure, share

from civicbench.datasets.personal_data.kinds import KINDS

LINES = authored_lines()
HELD_OUT = [line for line in LINES if line.part == "held-out"]


def test_the_set_is_large_enough_and_half_of_it_holds_nothing() -> None:
    assert len(LINES) >= 360
    assert len(HELD_OUT) >= 180
    assert 0.4 <= sum(not line.spans for line in LINES) / len(LINES) <= 0.6
    assert len({line.id for line in LINES}) == len(LINES)


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_precision_and_recall_do_not_fall(kind: str) -> None:
    figures = measure(HELD_OUT)[kind]
    assert figures.found + figures.missed >= 14
    assert figures.precision[0] >= 0.95
    assert figures.recall[0] >= 0.95


def test_wilson_interval_of_a_perfect_score_is_not_certainty() -> None:
    # Newcombe 1998, table I: 0 of 20 gives 0 to 0.1611.
    assert share(20, 20)[1] == pytest.approx(1 - 0.1611, abs=1e-4)
    assert share(0, 20)[2] == pytest.approx(0.1611, abs=1e-4)
