"""Drawing some items of a suite: stratified, by seed and names alone."""

from collections.abc import Mapping, Sequence

from civicbench.core.digests import digest_text
from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.items import Item
from civicbench.evaluation.public.settings import Subset


def draw_subset(items: Sequence[Item], subset: Subset, *, where: str) -> list[Item]:
    """Return the drawn items, in their own order.

    Strata get places in proportion to their groups, by largest remainders and at least one each;
    within a stratum the groups with the lowest sha256(seed, name) are taken. So the same items are
    drawn on every machine, and items that are added elsewhere in the file move no others.

    Raises:
        InvalidInputError: A field that items lack, fewer groups than asked for, or more strata.
    """
    fields = [*subset.by, *([subset.of] if subset.of else [])]
    missing = [(i.id, f) for i in items for f in fields if i.fields.get(f) is None]
    if missing:
        name, lacked = missing[0]
        raise InvalidInputError(f"item {name} has no field {lacked!r}", where=f"{where}: subset")
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(str(item.fields[subset.of]) if subset.of else item.id, []).append(item)
    strata: dict[tuple[str, ...], list[str]] = {}
    for name, own in groups.items():
        stratum = tuple(str(own[0].fields[field]) for field in subset.by)
        strata.setdefault(stratum, []).append(name)
    if not len(strata) <= subset.count <= len(groups):
        raise InvalidInputError(
            "subset.count must lie between the number of strata and of groups",
            where=f"{where}: subset",
            got=f"{subset.count}; {len(strata)} strata, {len(groups)} groups",
        )
    chosen: set[str] = set()
    for stratum, places in _places(strata, subset.count).items():
        ranked = sorted(strata[stratum], key=lambda name: digest_text(f"{subset.seed}:{name}"))
        chosen.update(ranked[:places])
    kept = {item.id for name in chosen for item in groups[name]}
    return [item for item in items if item.id in kept]


def _places(
    strata: Mapping[tuple[str, ...], Sequence[str]], count: int
) -> dict[tuple[str, ...], int]:
    total = sum(len(names) for names in strata.values())
    exact = {stratum: count * len(names) / total for stratum, names in strata.items()}
    places = {stratum: max(1, int(share)) for stratum, share in exact.items()}
    # Largest remainders first; where the ones given to small strata were too many, the other way.
    while sum(places.values()) < count:
        some = max(sorted(strata), key=lambda s: exact[s] - places[s])
        places[some] += 1
    while sum(places.values()) > count:
        some = min((s for s in sorted(strata) if places[s] > 1), key=lambda s: exact[s] - places[s])
        places[some] -= 1
    return places
