"""Two models on the same items."""

import pytest

from civicbench.core.errors import IntegrityError
from civicbench.evaluation.comparing import compare_results, suspects
from civicbench.evaluation.metrics import seed_spreads, suite_metrics
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import Comparison, SuiteResult
from civicbench.evaluation.settings import ChoiceTask, FileItems, SuiteSettings

ITEMS = 60


def suite(better: str = "higher") -> SuiteSettings:
    return SuiteSettings(
        name="own",
        title="Own",
        kind="domain",
        measures="m",
        does_not_measure="d",
        licence="CC0-1.0",
        items=FileItems(file="items.jsonl"),
        cluster="topic",
        slices=("nation",),
        tasks=(ChoiceTask(type="choice", name="pick", title="Pick", macro_f1=True, better=better),),
    )


def records(right: list[int], *, sure: float = 0.0) -> list[ItemRecord]:
    """Return records of sixty items of two choices, of which the named ones are right."""
    return [
        ItemRecord(
            task="pick",
            id=f"item-{n}",
            seed=None,
            cluster=f"c{n // 2}",
            slices={"nation": "Wales" if n % 3 else "England"},
            prompt=f"prompt {n}",
            prompt_digest=str(n),
            prompt_tokens=n * 2,
            choices=("a", "b"),
            expected="ab"[n % 2],
            answer="ab"[n % 2] if n in right else "ba"[n % 2],
            expected_position=n % 2,
            answer_position=n % 2 if n in right else 1 - n % 2,
            log_likelihoods=(sure, 0.0),
            values={"accuracy": float(n in right)},
            flags=(),
        )
        for n in range(ITEMS)
    ]


def result(settings: SuiteSettings, items: list[ItemRecord], *, digest: str = "d") -> SuiteResult:
    return SuiteResult(
        suite="own",
        title="Own",
        kind="domain",
        model="base",
        items_digest=digest,
        prompts_digest="p",
        weights_digest="w",
        adapter_digest=None,
        tokenizer_digest="k",
        template_digest="t",
        prompt_proof_digest="q",
        differences_from_training=(),
        precision="float32",
        device="cpu",
        engine="civicbench",
        metrics=suite_metrics(settings, items, seed=1),
        flags={},
        packages={},
        seed=1,
    )


def compare(first: list[int], second: list[int], better: str = "higher") -> Comparison:
    settings = suite(better)
    one, other = records(first), records(second)
    return compare_results(result(settings, one), one, result(settings, other), other)[0]


def test_a_model_compared_with_itself_differs_by_nothing() -> None:
    found = compare(list(range(20)), list(range(20)))
    assert found.difference.value == 0
    assert found.difference.low < 0 < found.difference.high
    assert (found.p_value, found.p_cluster) == (1.0, 1.0)
    assert found.verdict == "not distinguishable"
    assert not found.flips
    assert found.identical_items == ITEMS
    assert suspects([found]) == (("own", "pick"),)


def test_the_same_answers_with_other_likelihoods_are_not_suspect() -> None:
    settings = suite()
    one, other = records(list(range(20))), records(list(range(20)), sure=-0.5)
    found = compare_results(result(settings, one), one, result(settings, other), other)
    assert found[0].identical_items == 0
    assert suspects(found) == ()


def test_a_clear_gain_is_better_and_says_which_items_flipped() -> None:
    found = compare(list(range(10)), [*range(1, 10), *range(20, 50)])
    assert (found.gained, found.lost) == (30, 1)
    assert found.difference.value == pytest.approx(29 / ITEMS)
    assert found.verdict == "better"
    assert found.flips[0].item == "item-0"
    assert not found.flips[0].gained
    assert all(flip.gained for flip in found.flips[1:])
    assert compare([*range(1, 10), *range(20, 50)], list(range(10))).verdict == "worse"


def test_near_one_half_is_better_where_one_half_is_the_ideal() -> None:
    assert compare(list(range(55)), list(range(30)), "half").verdict == "better"
    assert compare(list(range(30)), list(range(5)), "half").verdict == "worse"


def test_results_of_other_items_are_not_compared() -> None:
    items = records([1])
    settings = suite()
    with pytest.raises(IntegrityError, match="different items"):
        compare_results(result(settings, items), items, result(settings, items, digest="e"), items)


def test_slices_stand_side_by_side_and_add_up() -> None:
    found = compare(list(range(20)), list(range(40)))
    nations = [entry for entry in found.slices if entry.field == "nation"]
    assert [entry.value for entry in nations] == ["England", "Wales"]
    assert sum(entry.base.items for entry in nations) == ITEMS
    assert sum(entry.tuned.value * entry.tuned.items for entry in nations) == pytest.approx(40)
    for entry in found.slices:
        assert entry.difference.value == pytest.approx(entry.tuned.value - entry.base.value)
        assert entry.difference.low <= entry.difference.value <= entry.difference.high


def test_the_length_of_prompts_is_a_slice_from_short_to_long() -> None:
    found = compare(list(range(20)), list(range(40)))
    lengths = {e.value: e.base.items for e in found.slices if e.field == "prompt length"}
    assert list(lengths.items()) == [("up to 63 tokens", 32), ("64 to 127 tokens", 28)]
    short = [item.model_copy(update={"prompt_tokens": 5}) for item in records([1])]
    alike = compare_results(result(suite(), short), short, result(suite(), short), short)[0]
    assert {entry.field for entry in alike.slices} == {"nation"}


def test_another_tokenizer_does_not_part_the_slices() -> None:
    one = records(list(range(20)))
    other = [i.model_copy(update={"prompt_tokens": 900}) for i in records(list(range(40)))]
    found = compare_results(result(suite(), one), one, result(suite(), other), other)[0]
    lengths = {e.value: e.tuned.items for e in found.slices if e.field == "prompt length"}
    assert lengths == {"up to 63 tokens": 32, "64 to 127 tokens": 28}


def test_values_between_right_and_wrong_are_compared_by_their_mean() -> None:
    def graded(shift: float) -> list[ItemRecord]:
        return [
            item.model_copy(update={"values": {"accuracy": min(1.0, 0.01 * n + shift)}})
            for n, item in enumerate(records([]))
        ]

    one, other = graded(0.0), graded(0.2)
    found = compare_results(result(suite(), one), one, result(suite(), other), other)[0]
    assert found.difference.value == pytest.approx(0.2)
    assert "Wilson" not in found.base.method
    assert found.p_value is None
    assert found.p_cluster == pytest.approx(1 / 10_001)
    assert found.verdict == "better"


def test_draws_of_one_item_belong_together() -> None:
    def compared(seeds: tuple[int | None, ...]) -> Comparison:
        one, other = (
            [
                item.model_copy(update={"seed": seed, "cluster": item.id})
                for item in records(list(range(right)))
                for seed in seeds
            ]
            for right in (20, 30)
        )
        return compare_results(result(suite(), one), one, result(suite(), other), other)[0]

    found, single = compared((1, 2, 3)), compared((None,))
    assert found.p_value is None
    assert found.base.items == 3 * ITEMS
    assert found.base.high - found.base.low >= 0.95 * (single.base.high - single.base.low)


def test_the_spread_of_seeds_is_measured_by_task() -> None:
    first = [i.model_copy(update={"seed": 1}) for i in records(list(range(30)))]
    second = [i.model_copy(update={"seed": 2}) for i in records(list(range(33)))]
    spread = seed_spreads(suite(), [*first, *second])["own", "pick", "accuracy"]
    assert spread.range == pytest.approx(3 / ITEMS)
    assert spread.changed_items == 3
    assert seed_spreads(suite(), records([1])) == {}


def test_where_lower_is_better_a_fall_is_better() -> None:
    assert compare(list(range(50)), list(range(10)), "lower").verdict == "better"
    assert compare(list(range(10)), list(range(50)), "lower").verdict == "worse"


def test_the_same_distance_from_one_half_is_no_difference() -> None:
    found = compare(list(range(45)), list(range(45, ITEMS)), "half")
    assert found.difference.value == pytest.approx(0)
    assert found.verdict == "not distinguishable"


def test_macro_f1_is_compared_by_pairs_too() -> None:
    settings = suite()
    one, other = records(list(range(20))), records(list(range(50)))
    found = compare_results(result(settings, one), one, result(settings, other), other)[1]
    assert found.metric == "macro-F1"
    assert found.p_value is None
    assert found.p_cluster is not None
    assert found.p_cluster < 0.01
    assert found.difference.value == pytest.approx(found.tuned.value - found.base.value)
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.verdict == "better"


def test_results_that_were_not_measured_alike_are_not_compared() -> None:
    items = records([1])
    settings = suite()
    for other in (
        settings.model_copy(update={"slices": ()}),
        settings.model_copy(
            update={"tasks": (settings.tasks[0].model_copy(update={"macro_f1": False}),)}
        ),
    ):
        with pytest.raises(IntegrityError, match="same metrics and slices"):
            compare_results(result(settings, items), items, result(other, items), items)


def test_a_record_that_is_missing_on_one_side_is_noticed() -> None:
    items = records([1])
    settings = suite()
    whole = result(settings, items)
    for one, other in ((items, items[1:]), (items[1:], items)):
        with pytest.raises(IntegrityError, match="do not hold the same items"):
            compare_results(whole, one, whole, other)


def test_the_order_of_records_does_not_matter() -> None:
    settings = suite()
    one, other = records(list(range(20))), records(list(range(10, 40)))
    straight = compare_results(result(settings, one), one, result(settings, other), other)
    turned = compare_results(result(settings, one), one, result(settings, other), other[::-1])
    assert straight == turned
