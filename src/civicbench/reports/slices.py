"""Groups of items that have something in common: results and differences group by group."""

from civicbench.evaluation.results import Comparison, SliceComparison
from civicbench.pages.document import (
    Block,
    Details,
    Paragraph,
    Picture,
    Section,
    Subheading,
    Table,
    number,
    words,
)
from civicbench.pages.wording import format_count, format_estimate, is_rate
from civicbench.reports.differences import difference_cell
from civicbench.reports.forest import draw_svg
from civicbench.reports.plots import slice_forest
from civicbench.reports.report import Report, ScoredModel, task_title
from civicbench.reports.suites import is_share


def describe_slices(report: Report) -> Section:
    """Return every measure by the values of every field, with a plot for each longer field."""
    blocks: list[Block] = []
    for place, model in enumerate(report.others):
        for order, comparison in enumerate(report.comparisons[model.label]):
            if comparison.slices:
                blocks.extend(_compared(report, model, comparison, name=f"slices-{place}-{order}"))
    if not report.others:
        blocks.extend(_alone(report))
    if not blocks:
        blocks = [Paragraph("No suite splits its results into groups of items.")]
    else:
        blocks.insert(
            0,
            Paragraph(
                "The same results on groups of items that have something in common. A group is "
                "small and its interval wide. Among many groups some differ by chance, so no "
                "verdict is given on a single one."
            ),
        )
    return Section("slices", "Groups of items", tuple(blocks))


def _compared(
    report: Report, model: ScoredModel, comparison: Comparison, *, name: str
) -> list[Block]:
    """Return a measure's tables and plots; what is not in the short table is folded away."""
    title = f"{report.measure_title(comparison)}: {model.label} against {report.first.label}"
    shown: list[Block] = []
    fields = dict.fromkeys(part.field for part in comparison.slices)
    for order, field in enumerate(fields):
        parts = [part for part in comparison.slices if part.field == field]
        table = _table(report, model, comparison, parts)
        forest = None
        if comparison.headline:
            forest = slice_forest(
                report, comparison, field=field, other=model.label, name=f"{name}-{order}"
            )
        if forest is None:
            shown.append(table)
        else:
            shown += [
                Picture(draw_svg(forest), forest.description),
                Details(f"The same as a table: {title}, by {field}", (table,)),
            ]
    if comparison.headline:
        return [Subheading(title), *shown]
    return [Details(title, tuple(shown))]


def _table(
    report: Report, model: ScoredModel, comparison: Comparison, parts: list[SliceComparison]
) -> Table:
    rate = is_rate(comparison)
    return Table(
        f"{report.measure_title(comparison)} by {parts[0].field}, {model.label} against "
        f"{report.first.label}",
        (parts[0].field, "Items", report.first.label, model.label, "Difference"),
        tuple(
            (
                words(part.value),
                number(format_count(part.tuned.items)),
                format_estimate(part.base, rate=rate),
                format_estimate(part.tuned, rate=rate),
                difference_cell(comparison, part.difference),
            )
            for part in parts
        ),
    )


def _alone(report: Report) -> list[Block]:
    blocks: list[Block] = []
    for suite in report.suites:
        for metric in report.first.suites[suite.name].result.metrics:
            title = f"{suite.title}: {task_title(metric.title, metric.metric)}"
            tables: list[Block] = []
            for field in dict.fromkeys(part.field for part in metric.slices):
                rows = tuple(
                    (
                        words(part.value),
                        number(format_count(part.estimate.items)),
                        format_estimate(part.estimate, rate=is_share(metric)),
                    )
                    for part in metric.slices
                    if part.field == field
                )
                head = (field, "Items", report.first.label)
                tables.append(Table(f"{title}, by {field}", head, rows))
            if metric.headline:
                blocks += tables
            elif tables:
                blocks.append(Details(title, tuple(tables)))
    return blocks
