"""Suite by suite: what it measures, every result, and every difference."""

from collections.abc import Sequence

from civicbench.evaluation.results import IDEALS, NO_SHARES, Comparison, MetricResult
from civicbench.evaluation.wholes import find_whole
from civicbench.pages.document import (
    Block,
    Cell,
    Details,
    Pairs,
    Paragraph,
    Section,
    Table,
    Words,
    number,
    words,
)
from civicbench.pages.judges import describe_judges, judges_of
from civicbench.pages.wording import (
    format_count,
    format_estimate,
    format_probability,
    format_value,
    is_rate,
    name_way,
    verdict_tag,
)
from civicbench.reports.differences import difference_cell
from civicbench.reports.report import Report, ScoredModel, SuiteText, task_title

_ABSENT = "\N{EN DASH}"


def describe_suite(report: Report, suite: SuiteText, *, place: int) -> Section:
    """Return what a suite measures and does not, with every result of every model.

    Args:
        report: The report.
        suite: The suite.
        place: Its place, which names the section.
    """
    models = [model for model in report.models if suite.name in model.suites]
    blocks: list[Block] = [
        Pairs(
            (
                ("Measures", words(suite.measures)),
                ("Does not measure", words(suite.does_not_measure)),
            )
        ),
        _results(suite, models),
    ]
    for model in report.others:
        own = [c for c in report.comparisons[model.label] if c.suite == suite.name]
        if own:
            blocks.append(_differences(report, model, own, suite=suite))
    blocks.extend(describe_judges(judges_of(model.suites[suite.name].result for model in models)))
    blocks.append(_methods(report, suite, models))
    return Section(f"suite-{place}", suite.title, tuple(blocks))


def _results(suite: SuiteText, models: Sequence[ScoredModel]) -> Table:
    rows = []
    for metric in models[0].suites[suite.name].result.metrics:
        cells: list[Cell] = [
            (
                Words(task_title(metric.title, metric.metric)),
                Words(name_way(metric.better), "hint"),
            ),
            number(format_count(metric.estimate.items)),
        ]
        for model in models:
            found = _metric(model, suite.name, metric)
            cells.append(
                words(_ABSENT)
                if found is None
                else format_estimate(found.estimate, rate=is_share(found))
            )
        rows.append(tuple(cells))
    head = ("Measure", "Items", *(model.label for model in models))
    return Table(f"{suite.title}: every result", head, tuple(rows))


def is_share(metric: MetricResult) -> bool:
    """Return whether a metric's values are shares of a whole, or the difference of two."""
    whole = find_whole(metric.metric)
    if whole is not None:
        return whole.share
    if metric.better == "zero" or metric.metric in NO_SHARES:
        return metric.metric not in NO_SHARES
    numbers = (metric.estimate.value, metric.estimate.low, metric.estimate.high)
    return all(0 <= number <= 1 for number in numbers)


def _metric(model: ScoredModel, suite: str, like: MetricResult) -> MetricResult | None:
    return next(
        (
            metric
            for metric in model.suites[suite].result.metrics
            if (metric.task, metric.metric) == (like.task, like.metric)
        ),
        None,
    )


def _differences(
    report: Report, model: ScoredModel, comparisons: Sequence[Comparison], *, suite: SuiteText
) -> Table:
    rows = tuple(
        (
            words(task_title(c.title, c.metric)),
            difference_cell(c, c.difference),
            words(_changed(c)),
            _chances(c),
            number(_size(c.minimum_detectable, rate=is_rate(c))),
            number(_size(c.margin, rate=is_rate(c))),
            (verdict_tag(c.verdict),),
        )
        for c in comparisons
    )
    head = (
        "Measure",
        "Difference",
        "Items that changed",
        "Chance alone",
        "Smallest that would show",
        "Margin",
        "Verdict",
    )
    return Table(f"{suite.title}: {model.label} minus {report.first.label}", head, rows)


def _changed(comparison: Comparison) -> str:
    """Return how many items got better and worse; nothing where an item has no value of its own."""
    if find_whole(comparison.metric) is not None:
        return _ABSENT
    if comparison.better in IDEALS:
        return f"{comparison.gained + comparison.lost:,}"
    counts = (comparison.gained, comparison.lost)
    gained, lost = reversed(counts) if comparison.better == "lower" else counts
    return f"{gained:,} gained, {lost:,} lost"


def _chances(comparison: Comparison) -> Cell:
    parts = [Words(f"{format_probability(comparison.p_cluster)} by clusters")]
    if comparison.p_holm is not None:
        parts.append(Words(f"{format_probability(comparison.p_holm)} of the family (Holm)"))
    if comparison.p_value is not None:
        parts.append(Words(f"{format_probability(comparison.p_value)} McNemar", "hint"))
    return tuple(parts)


def _size(number: float | None, *, rate: bool) -> str:
    if number is None:
        return _ABSENT
    return f"{100 * number:.1f} points" if rate else f"{number:.4g}"


def _methods(report: Report, suite: SuiteText, models: Sequence[ScoredModel]) -> Details:
    rows = [
        (
            words(task_title(metric.title, metric.metric)),
            words(f"result of {model.label}"),
            words(metric.estimate.method),
        )
        for model in models
        for metric in model.suites[suite.name].result.metrics
    ]
    rows += [
        (
            words(task_title(c.title, c.metric)),
            words(f"{model.label} minus {report.first.label}"),
            words(c.difference.method),
        )
        for model in report.others
        for c in report.comparisons[model.label]
        if c.suite == suite.name
    ]
    return Details(
        f"How the intervals of {suite.title} were made",
        (
            Paragraph(
                "Chance alone: how likely a difference at least this large is if it were arbitrary "
                "which model gave which answers. By clusters, items that belong together change "
                "sides together; McNemar's exact test takes each item on its own. The smallest "
                "that would show is the true difference that items like these would find four "
                "times in five. A margin is the loss that was declared tolerable before measuring; "
                f"{_ABSENT} where none was. Right at the edge, a share of "
                f"{format_value(1.0, rate=True)} or {format_value(0.0, rate=True)} stands with its "
                "exact one-sided bound."
            ),
            Table(f"{suite.title}: intervals", ("Measure", "Of what", "Method"), tuple(rows)),
        ),
    )
