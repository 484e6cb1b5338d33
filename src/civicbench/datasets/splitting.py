"""Dealing whole groups to train, validation and test."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from civicbench.datasets.finishing import group_lot
from civicbench.datasets.rows import SPLITS, Row, SplitName
from civicbench.datasets.settings import Split

if TYPE_CHECKING:
    from civicbench.datasets.steps.step import Keys, Numbers

_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))


def deal(rows: Sequence[Row], *, split: Split) -> dict[SplitName, list[Row]]:
    """Deal rows to splits by group, so that no group stands in two.

    Within each stratum the groups are put in the order of sha256(seed, group): the deal
    depends on names and seed alone, not on the order of rows or on a generator. Each share is
    rounded to whole groups, and a share above zero gets at least one where there are three.

    Args:
        rows: All rows.
        split: Shares, stratum and seed.

    Returns:
        The rows of each split, in their given order.
    """
    import numpy as np

    lots = [group_lot(row.group, seed=split.seed) for row in rows]
    names = [str(row.fields[split.stratify]) if split.stratify else "" for row in rows]
    ranks = {name: rank for rank, name in enumerate(sorted(set(names)))}
    places = assign(
        np.array([lot[0] for lot in lots], dtype=np.uint64),
        np.array([lot[1] for lot in lots], dtype=np.uint64),
        np.array([ranks[name] for name in names], dtype=np.int64),
        split=split,
    )
    dealt: dict[SplitName, list[Row]] = {name: [] for name in SPLITS}
    for row, place in zip(rows, places.tolist(), strict=True):
        dealt[SPLITS[place]].append(row)
    return dealt


def assign(high: "Keys", low: "Keys", stratum: "Numbers", *, split: Split) -> "Numbers":
    """Return for each row the number of its split in `SPLITS`; see `deal`.

    Args:
        high: The upper half of the lot of each row's group.
        low: Its lower half.
        stratum: The rank of each row's stratum among their sorted names.
        split: Shares, and groups that go somewhere by name.
    """
    import numpy as np

    groups, group = _number_groups(high, low)
    if not len(groups):
        return np.empty(0, dtype=np.int64)
    place = np.full(len(groups), -1, dtype=np.int64)
    for names, number in ((split.test_groups, _TEST), (split.validation_groups, _VALIDATION)):
        for name in names:
            lot = np.array(group_lot(name, seed=split.seed), dtype=np.uint64)
            place[(groups == lot).all(axis=1)] = number
    # A group with rows in two strata goes where its first stratum puts it; numbers follow lots.
    pairs = np.unique(stratum * len(groups) + group)
    ranks, members = np.divmod(pairs, len(groups))
    named = _is_named(groups, split)
    bounds = np.flatnonzero(np.diff(ranks, prepend=-1)).tolist()
    for begin, end in zip(bounds, [*bounds[1:], len(ranks)], strict=True):
        dealt = members[begin:end]
        dealt = dealt[~named[dealt]]
        test = _count(split.test, len(dealt))
        validation = _count(split.validation, len(dealt))
        drawn = np.full(len(dealt), _TRAIN, dtype=np.int64)
        drawn[:test] = _TEST
        drawn[test : test + validation] = _VALIDATION
        fresh = place[dealt] == -1
        place[dealt[fresh]] = drawn[fresh]
    return place[group]


def _number_groups(high: "Keys", low: "Keys") -> "tuple[Keys, Numbers]":
    """Return the groups' lots in order, and the number of each row's group."""
    import numpy as np

    order = np.lexsort((low, high))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return np.stack([high[order][new], low[order][new]], axis=1), number


def _is_named(lots: "Keys", split: Split) -> "Numbers":
    import numpy as np

    named = np.zeros(len(lots), dtype=bool)
    for name in (*split.test_groups, *split.validation_groups):
        lot = np.array(group_lot(name, seed=split.seed), dtype=np.uint64)
        named |= (lots == lot).all(axis=1)
    return named  # type: ignore[return-value]


def _count(share: float, groups: int) -> int:
    if share == 0.0:
        return 0
    return max(round(share * groups), 1 if groups >= len(SPLITS) else 0)
