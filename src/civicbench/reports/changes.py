"""The items that changed and the worst mistakes, with the models' answers side by side."""

from collections.abc import Sequence

from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import IDEALS, Better, Comparison
from civicbench.pages.characters import shorten
from civicbench.pages.document import (
    Block,
    Cell,
    Details,
    Paragraph,
    Section,
    Sides,
    Subheading,
    Words,
)
from civicbench.pages.wording import count_of, format_change
from civicbench.reports.answers import (
    Answered,
    find_changes,
    find_worst,
    find_worst_alone,
    find_worst_losses,
    lead_of_expected,
    name_item,
)
from civicbench.reports.report import Report, ScoredModel

LONGEST_SHOWN = 800
_ACCURACY = "accuracy"


def describe_changes(report: Report) -> Section | None:
    """Return every item that changed, losses first; None where no model is compared."""
    if not report.others:
        return None
    blocks: list[Block] = [
        Paragraph(
            "An average can hide that some items are now answered wrongly. Here are all items "
            "that one model got right and the other wrong. Prompts and answers are test material "
            "and what models said, unedited; hidden characters are shown as code points, and what "
            f"is longer than {LONGEST_SHOWN:,} characters is cut for display and whole in "
            "report.json."
        )
    ]
    for model in report.others:
        for comparison in answered_measures(report, model):
            blocks.extend(_changed(report, model, comparison))
    return Section("changes", "Items that changed", tuple(blocks))


def answered_measures(report: Report, model: ScoredModel) -> list[Comparison]:
    """Return the comparisons whose answers are right or wrong item by item: one a task."""
    return [c for c in report.comparisons[model.label] if c.metric == _ACCURACY]


def _changed(report: Report, model: ScoredModel, comparison: Comparison) -> list[Block]:
    first, other = report.first.label, model.label
    changes = find_changes(report, model, comparison)
    title = report.measure_title(comparison)
    blocks: list[Block] = [Subheading(f"{title}: {other} against {first}")]
    if not changes.lost and not changes.gained:
        return [*blocks, Paragraph("No item changed.")]
    if comparison.better in IDEALS:
        names = (f"where only {first} picked the marked answer", f"where only {other} did")
    else:
        names = (f"lost with {other}", f"gained with {other}")
    for items, name in zip((changes.lost, changes.gained), names, strict=True):
        text = f"{count_of(len(items), 'item')} {name}"
        if not items:
            blocks.append(Paragraph(f"No item {name}."))
            continue
        sides = tuple(_pair(report, model, pair, better=comparison.better) for pair in items)
        blocks.append(Details(f"{text}: {title}", sides))
    return blocks


def describe_worst(report: Report) -> Section:
    """Return the surest mistakes: items both models get wrong, and items lost."""
    blocks: list[Block] = [
        Paragraph(
            "The surest mistakes: how much likelier than the right choice the model found another, "
            "in nats (natural logarithms of likelihood, summed over the answer's tokens). Written "
            "answers have no such margin and stand among the items that changed."
        )
    ]
    if report.others:
        for model in report.others:
            for comparison in answered_measures(report, model):
                blocks.extend(_worst(report, model, comparison))
    else:
        blocks.extend(_worst_alone(report))
    if len(blocks) == 1:
        blocks = [Paragraph("No item of a task with choices was answered wrongly.")]
    return Section("worst", "Worst examples", tuple(blocks))


def _worst(report: Report, model: ScoredModel, comparison: Comparison) -> list[Block]:
    title = f"{report.measure_title(comparison)}, {model.label} against {report.first.label}"
    found: list[Block] = []
    for name, pairs in (
        ("Both wrong", find_worst(report, model, comparison)),
        ("Lost", find_worst_losses(report, model, comparison)),
    ):
        if pairs:
            sides = tuple(_pair(report, model, p, better=comparison.better) for p in pairs)
            found.append(Details(f"{name}, surest mistakes first: {title}", sides))
    return found


def _worst_alone(report: Report) -> list[Block]:
    found: list[Block] = []
    for suite in report.suites:
        scored = report.first.suites[suite.name]
        for metric in scored.result.metrics:
            if metric.metric != _ACCURACY:
                continue
            records = find_worst_alone(scored, task=metric.task, better=metric.better)
            if records:
                sides = tuple(
                    _sides([(report.first.label, record)], better=metric.better)
                    for record in records
                )
                name = f"Surest mistakes first: {suite.title}: {metric.title}"
                found.append(Details(name, sides))
    return found


def _pair(report: Report, model: ScoredModel, pair: Answered, *, better: Better) -> Sides:
    return _sides([(report.first.label, pair.first), (model.label, pair.other)], better=better)


def _sides(answers: Sequence[tuple[str, ItemRecord]], *, better: Better) -> Sides:
    record = answers[0][1]
    expected = "Right answer" if better == "higher" else "Marked answer"
    texts = [(expected, show_text(record.expected))]
    notes = []
    for label, own in answers:
        texts.append((_heading(label, own, better=better), show_text(own.answer)))
        lead = lead_of_expected(own)
        if lead is not None:
            notes.append(f"{label}: {format_change(lead, rate=False)}")
    note = ""
    if notes:
        note = (
            f"Log-likelihood of the {expected.lower()} minus that of the best other, in nats: "
            f"{'; '.join(notes)}."
        )
    return Sides(f"Item {name_item(record)}", show_text(record.prompt), tuple(texts), note)


def _heading(label: str, record: ItemRecord, *, better: Better) -> str:
    facts = list(record.flags)
    if better == "higher":
        facts.insert(0, "right" if record.values[_ACCURACY] == 1 else "wrong")
    return f"{label} ({', '.join(facts)})" if facts else label


def show_text(text: str) -> Cell:
    """Return what was said, cut for display where it is long, with a note of how much."""
    shown, left_off = shorten(text, limit=LONGEST_SHOWN)
    if not left_off:
        return (Words(shown, "quote"),)
    note = f"cut for display: {count_of(left_off, 'more character')}, whole in report.json"
    return Words(shown, "quote"), Words(note, "hint")
