import pytest
from tests.reports.factory import make_item, make_report

from civicbench.core.errors import IntegrityError
from civicbench.reports.answers import (
    find_changes,
    find_worst,
    lead_of_expected,
    name_item,
    pair_answers,
)
from civicbench.reports.report import Report


def test_by_how_much_the_right_choice_leads() -> None:
    item = make_item("area", 1, log_likelihoods=(-3.0, -1.0, -2.5), expected_position=2)
    assert lead_of_expected(item) == -1.5
    assert lead_of_expected(item.model_copy(update={"expected_position": 1})) == 1.5
    assert lead_of_expected(make_item("written", 1)) is None


def test_a_drawn_answer_is_named_with_its_seed() -> None:
    assert name_item(make_item("a", 7)) == "item-007"
    assert name_item(make_item("a", 7, seed=3)) == "item-007, seed 3"


def test_the_surest_common_mistakes_come_first(two_models: Report) -> None:
    [other] = two_models.others
    [area] = [
        c for c in two_models.comparisons[other.label] if (c.task, c.metric) == ("area", "accuracy")
    ]
    worst = find_worst(two_models, other, area)
    assert worst
    leads = [lead_of_expected(pair.other) or 0.0 for pair in worst]
    assert leads == sorted(leads)
    assert all(
        pair.first.values["accuracy"] == 0 == pair.other.values["accuracy"] for pair in worst
    )


def test_changes_are_all_there_and_agree_with_the_comparison(two_models: Report) -> None:
    [other] = two_models.others
    for comparison in two_models.comparisons[other.label]:
        if comparison.metric == "accuracy":
            changes = find_changes(two_models, other, comparison)
            counts = {len(changes.gained), len(changes.lost)}
            assert counts == {comparison.gained, comparison.lost}
            if comparison.better == "higher":
                assert len(changes.lost) == comparison.lost


def test_answers_to_other_items_are_not_paired() -> None:
    first, other = (make_report(1, items=n).first.suites["triage"] for n in (30, 31))
    with pytest.raises(IntegrityError, match="same items"):
        pair_answers(first, other, task="area")
