"""Dealing whole groups to train, validation and test."""

from collections import defaultdict
from collections.abc import Sequence

from civicbench.core.digests import digest_text
from civicbench.datasets.rows import SPLITS, Row, SplitName
from civicbench.datasets.settings import Split


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
    strata: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        stratum = str(row.fields[split.stratify]) if split.stratify else ""
        strata[stratum].add(row.group)
    place: dict[str, SplitName] = {}
    for stratum in sorted(strata):
        order = sorted(strata[stratum], key=lambda group: digest_text(f"{split.seed}:{group}"))
        test = _count(split.test, len(order))
        validation = _count(split.validation, len(order))
        for position, group in enumerate(order):
            if position < test:
                name: SplitName = "test"
            elif position < test + validation:
                name = "validation"
            else:
                name = "train"
            # A group with rows in two strata goes where its first stratum put it.
            place.setdefault(group, name)
    dealt: dict[SplitName, list[Row]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        dealt[place[row.group]].append(row)
    return dealt


def _count(share: float, groups: int) -> int:
    if share == 0.0:
        return 0
    return max(round(share * groups), 1 if groups >= len(SPLITS) else 0)
