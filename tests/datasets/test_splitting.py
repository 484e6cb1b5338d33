import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.datasets.rows import SPLITS, Row
from civicbench.datasets.settings import Split
from civicbench.datasets.splitting import deal
from civicbench.models.rendering import Message

_TURNS = (Message(role="user", content="a"), Message(role="assistant", content="b"))
# (group, stratum) of each row: groups may reach over strata.
_SHAPES = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), min_size=1, max_size=40
)
_SPLITS = st.builds(
    Split,
    validation=st.sampled_from([0.0, 0.1, 0.3]),
    test=st.sampled_from([0.0, 0.25, 0.5]),
    stratify=st.sampled_from([None, "area"]),
    seed=st.integers(0, 9),
)


def rows_of(shapes: list[tuple[str, str]]) -> list[Row]:
    return [
        Row(id=f"r{place}", group=group, messages=_TURNS, fields={"area": area})
        for place, (group, area) in enumerate(shapes)
    ]


def places(dealt: dict[str, list[Row]]) -> dict[str, str]:
    return {row.id: name for name, rows in dealt.items() for row in rows}


@given(_SHAPES, _SPLITS)
def test_every_row_is_dealt_once_and_no_group_stands_in_two_splits(
    shapes: list[tuple[str, str]], split: Split
) -> None:
    rows = rows_of(shapes)
    dealt = deal(rows, split=split)
    assert tuple(dealt) == SPLITS
    assert sorted(row.id for part in dealt.values() for row in part) == sorted(r.id for r in rows)
    homes = defaultdict(set)
    for name, part in dealt.items():
        for row in part:
            homes[row.group].add(name)
        order = {row.id: place for place, row in enumerate(rows)}
        assert [order[row.id] for row in part] == sorted(order[row.id] for row in part)
    assert {len(names) for names in homes.values()} == {1}


@given(_SHAPES, _SPLITS, st.randoms(use_true_random=False))
def test_the_deal_does_not_depend_on_the_order_of_rows(
    shapes: list[tuple[str, str]], split: Split, chance: random.Random
) -> None:
    rows = rows_of(shapes)
    turned = list(rows)
    chance.shuffle(turned)
    assert places(deal(rows, split=split)) == places(deal(turned, split=split))


@given(_SHAPES, _SPLITS)
def test_a_new_row_of_a_known_group_moves_no_other(
    shapes: list[tuple[str, str]], split: Split
) -> None:
    before = places(deal(rows_of(shapes), split=split))
    after = places(deal(rows_of([*shapes, shapes[0]]), split=split))
    assert before.items() <= after.items()


@pytest.mark.parametrize(("test", "validation"), [(0.25, 0.1), (0.2, 0.0), (0.0, 0.0), (0.5, 0.3)])
def test_each_stratum_gets_the_shares_in_whole_groups(test: float, validation: float) -> None:
    shapes = [(f"{area}{group}", area) for area in "xyz" for group in range(20) for _ in range(3)]
    split = Split(test=test, validation=validation, stratify="area")
    dealt = deal(rows_of(shapes), split=split)
    for area in "xyz":
        for name, share in (("test", test), ("validation", validation)):
            groups = {row.group for row in dealt[name] if row.fields["area"] == area}
            assert len(groups) == round(share * 20)


def test_a_share_above_zero_gets_a_group_where_there_are_three() -> None:
    dealt = deal(rows_of([(g, "x") for g in "abc"]), split=Split(test=0.1, validation=0.1))
    assert [len(dealt[name]) for name in SPLITS] == [1, 1, 1]


def test_another_seed_deals_otherwise_and_the_same_seed_the_same() -> None:
    rows = rows_of([(f"g{n}", "x") for n in range(40)])
    deals = [places(deal(rows, split=Split(test=0.5, seed=seed))) for seed in (0, 0, 1)]
    assert deals[0] == deals[1] != deals[2]
