"""What changed beneath the averages: item by item, and in the worst slices."""

from collections.abc import Sequence
from functools import partial

from civicbench.evaluation.results import Comparison, Flip, SliceComparison
from civicbench.pages.document import (
    Block,
    Details,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    code,
    quote,
    words,
)
from civicbench.pages.wording import (
    count_of,
    format_count,
    format_difference,
    format_estimate,
    is_rate,
    name_field,
    name_way,
)
from civicbench.registry.evidence import Evidence

_WORST_SHOWN = 5


def describe_changes(evidence: Evidence) -> Section:
    """Return the items on which the two models differ, losses before gains."""
    changed = [c for c in evidence.comparisons if c.flips or c.gained or c.lost]
    if not changed:
        text = "No item was answered rightly by one model and wrongly by the other."
        return Section("changes", "What changed, item by item", (Paragraph(text),))
    blocks: list[Block] = [
        Paragraph(
            "An average can hide that some items are now answered wrongly. Below are items that "
            "one model got right and the other wrong; those that the tuned model lost come first. "
            "What stands under prompt and answer is test material and what the models said, "
            "unedited."
        )
    ]
    for comparison in changed:
        blocks.extend(_changed(comparison))
    return Section("changes", "What changed, item by item", tuple(blocks))


def _changed(comparison: Comparison) -> list[Block]:
    losses = [flip for flip in comparison.flips if not flip.gained]
    gains = [flip for flip in comparison.flips if flip.gained]
    blocks: list[Block] = [
        Subheading(f"{comparison.title} ({name_field(comparison.metric)})"),
        Paragraph(
            f"Lost: {count_of(comparison.lost, 'item')} that only the base model got right. "
            f"Gained: {count_of(comparison.gained, 'item')} that only the tuned model got right."
        ),
    ]
    if losses:
        part = _part(len(losses), comparison.lost)
        blocks.append(Details(f"{part} lost in {comparison.title}", _items(losses)))
    if gains:
        part = _part(len(gains), comparison.gained)
        blocks.append(Details(f"{part} gained in {comparison.title}", _items(gains)))
    return blocks


def _part(shown: int, counted: int) -> str:
    return "Items" if shown >= counted else "Some of the items"


def _items(flips: Sequence[Flip]) -> tuple[Block, ...]:
    return tuple(example_of(flip) for flip in flips)


def example_of(flip: Flip) -> Pairs:
    """Return one item that changed, with what both models said."""
    return Pairs(
        (
            ("Item", code(flip.item)),
            ("Prompt", quote(flip.prompt)),
            ("Right answer", quote(flip.expected)),
            ("Base model said", quote(flip.base)),
            ("Tuned model said", quote(flip.tuned)),
        )
    )


def describe_slices(evidence: Evidence) -> Section:
    """Return the groups of items on which the tuned model does worst."""
    sliced = [comparison for comparison in evidence.comparisons if comparison.slices]
    if not sliced:
        text = "No result was split into groups of items."
        return Section("slices", "Where it does worst", (Paragraph(text),))
    blocks: list[Block] = [
        Paragraph(
            "The same results on groups of items that have something in common, worst first. "
            "A group is small, so its interval is wide: read the interval before the result. Among "
            "many groups some differ by chance; no verdict is given on a single one."
        )
    ]
    for comparison in sliced:
        ordered = sorted(comparison.slices, key=partial(goodness, comparison=comparison))
        blocks.append(_table(comparison, ordered[:_WORST_SHOWN], note="worst groups"))
        if len(ordered) > _WORST_SHOWN:
            every = _table(comparison, ordered, note="every group")
            blocks.append(Details(f"Every group of {comparison.title}", (every,)))
    return Section("slices", "Where it does worst", tuple(blocks))


def goodness(part: SliceComparison, *, comparison: Comparison) -> float:
    """Return what slices are put in order by: the least is the worst."""
    value = part.tuned.value
    return {"higher": value, "lower": -value, "half": -abs(value - 0.5), "zero": -abs(value)}[
        comparison.better
    ]


def _table(comparison: Comparison, parts: Sequence[SliceComparison], *, note: str) -> Table:
    rate = is_rate(comparison)
    metric = name_field(comparison.metric)
    return Table(
        f"{comparison.title}: {note} ({metric}, {name_way(comparison.better)})",
        ("Group", "Items", "Base model", "Tuned model", "Difference"),
        tuple(
            (
                words(f"{name_field(part.field)}: {part.value}"),
                words(format_count(part.tuned.items)),
                format_estimate(part.base, rate=rate),
                format_estimate(part.tuned, rate=rate),
                format_difference(part.difference, rate=rate),
            )
            for part in parts
        ),
    )
