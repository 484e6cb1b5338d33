"""The first parts of a report: what was compared, what came out, and what to be wary of."""

from collections.abc import Sequence

from civicbench.evaluation.comparing import suspects
from civicbench.evaluation.results import Comparison, Verdict
from civicbench.pages.document import (
    Block,
    Caution,
    Cell,
    Details,
    Inset,
    Paragraph,
    Picture,
    Section,
    Table,
    Words,
    number,
    words,
)
from civicbench.pages.wording import (
    count_of,
    explain_verdict,
    format_count,
    format_estimate,
    is_rate,
    name_way,
    verdict_tag,
)
from civicbench.reports.differences import difference_cell
from civicbench.reports.forest import draw_svg
from civicbench.reports.plots import headline_forest
from civicbench.reports.report import Report, ScoredModel, task_title
from civicbench.reports.suites import is_share

FOREST_FILE = "forest.svg"


def describe_summary(report: Report) -> Section:
    """Return what was compared, the verdicts in a sentence each, and the headline results."""
    blocks: list[Block] = [Inset(count_verdicts(report, model)) for model in report.others]
    blocks.append(Paragraph(_compared(report)))
    blocks.extend(_suspicions(report))
    if report.others:
        blocks.extend(_headline(report, model) for model in report.others)
    else:
        blocks.append(_alone(report))
    blocks.append(_reading(report))
    blocks.extend(_oddities(report))
    return Section("summary", "Summary", tuple(blocks))


def describe_differences(report: Report) -> Section | None:
    """Return the headline differences as a forest plot; None where no model is compared."""
    forest = headline_forest(report)
    if forest is None:
        return None
    rows = tuple(
        (
            words(report.measure_title(c)),
            words(f"{model.label} minus {report.first.label}"),
            difference_cell(c, c.difference),
            (verdict_tag(c.verdict),),
        )
        for model in report.others
        for c in report.comparisons[model.label]
        if c.headline
    )
    head = ("Measure", "Which difference", "Difference", "Verdict")
    table = Table("The numbers of the plot", head, rows)
    return Section(
        "differences",
        "Differences at a glance",
        (
            Paragraph(
                "Each square is the difference found and the line through it its 95% interval. "
                "Where a line crosses nought, these items cannot tell the two models apart. A "
                "line may leave out nought and its square still be open: among so many measures "
                "chance could do that."
            ),
            Picture(draw_svg(forest), forest.description, file=FOREST_FILE),
            Details("The same as a table", (table,)),
        ),
    )


def count_verdicts(report: Report, model: ScoredModel) -> str:
    """Return in one sentence how often a model is better, worse or neither than the first."""
    headline = [c for c in report.comparisons[model.label] if c.headline]
    first, other = report.first.label, model.label
    if not headline:
        return f"No headline measure compares {other} with {first}."
    counts: dict[Verdict, int] = {c.verdict: 0 for c in headline}
    for comparison in headline:
        counts[comparison.verdict] += 1
    better, worse = counts.get("better", 0), counts.get("worse", 0)
    text = (
        f"Of {count_of(len(headline), 'headline measure')}, {other} is better than {first} on "
        f"{_number(better)} and worse on {_number(worse)}"
    )
    if margin := counts.get("no worse by more than the margin", 0):
        text += f"; on {margin} it is no worse by more than the margin set before measuring"
    if unclear := counts.get("not distinguishable", 0):
        text += f"; on {unclear} these items cannot tell the two apart"
    return text + "."


def _compared(report: Report) -> str:
    each = " of each model" if report.others else ""
    asked = ", ".join(
        f"{suite.title} ({count_of(_items(report, suite.name), 'answer')}{each})"
        for suite in report.suites
    )
    labels = [model.label for model in report.models]
    if not report.others:
        return f"{labels[0]} was evaluated on {asked}. No other model was evaluated beside it."
    several = len(report.others) > 1
    verb = "are each" if several else "is"
    text = (
        f"{' and '.join(labels[1:])} {verb} compared with {labels[0]}, item by item on the same "
        f"items of: {asked}."
    )
    if not several:
        return text
    return f"{text} {labels[0]} is the reference; the others are not compared with each other."


def _items(report: Report, suite: str) -> int:
    return next(len(m.suites[suite].items) for m in report.models if suite in m.suites)


def _number(count: int) -> str:
    return str(count) if count else "none"


def _suspicions(report: Report) -> list[Block]:
    found: list[Block] = []
    for model in report.others:
        comparisons = report.comparisons[model.label]
        tasks = {(c.suite, c.task) for c in comparisons}
        alike = set(suspects(comparisons))
        # Two models may well write the same short answers; likelihoods are never equal by chance.
        written = {place for place in alike if not _has_likelihoods(report, *place)}
        if alike == tasks:
            written = set()
        first = report.first.label
        if alike - written:
            found.append(
                Caution(
                    f"{model.label} gave the answers of {first}, with the same likelihoods where "
                    "answers have them, on every item of: "
                    f"{_titles(report, comparisons, alike - written)}. Either the two are the "
                    "same model there, or one model was scored twice. Do not rely on these "
                    "results before that is explained."
                )
            )
        if written:
            found.append(
                Paragraph(
                    f"{model.label} wrote the same text as {first} on every item of: "
                    f"{_titles(report, comparisons, written)}. Other results of the two differ, so "
                    "they are not one model."
                )
            )
    return found


def _has_likelihoods(report: Report, suite: str, task: str) -> bool:
    return any(r.log_likelihoods for r in report.first.suites[suite].items if r.task == task)


def _titles(report: Report, comparisons: Sequence[Comparison], places: set[tuple[str, str]]) -> str:
    titles = dict.fromkeys(
        f"{report.suite_title(c.suite)}: {c.title}"
        for c in comparisons
        if (c.suite, c.task) in places
    )
    return ", ".join(titles)


def _oddities(report: Report) -> list[Block]:
    rows = [
        (words(report.suite_title(name)), words(model.label), words(flag), words(str(count)))
        for name in (suite.name for suite in report.suites)
        for model in report.models
        if name in model.suites
        for flag, count in sorted(model.suites[name].result.flags.items())
    ]
    if not rows:
        return [Paragraph("No answer was cut by the token limit, and none was empty.")]
    caption = "Answers that were cut or empty; they count as they stand"
    return [Table(caption, ("Suite", "Model", "What", "Items"), tuple(rows))]


def _headline(report: Report, model: ScoredModel) -> Block:
    first = report.first.label
    headline = [c for c in report.comparisons[model.label] if c.headline]
    if not headline:
        return Caution(f"No headline measure compares {model.label} with {first}.")
    rows = tuple(_headline_row(report, comparison) for comparison in headline)
    head = ("Measure", "Items", first, model.label, "Difference", "Verdict")
    return Table(f"{model.label} against {first}: headline measures", head, rows)


def _headline_row(report: Report, comparison: Comparison) -> tuple[Cell, ...]:
    rate = is_rate(comparison)
    return (
        (Words(report.measure_title(comparison)), Words(name_way(comparison.better), "hint")),
        number(format_count(comparison.difference.items)),
        format_estimate(comparison.base, rate=rate),
        format_estimate(comparison.tuned, rate=rate),
        difference_cell(comparison, comparison.difference),
        (verdict_tag(comparison.verdict), Words(explain_verdict(comparison), "hint")),
    )


def _alone(report: Report) -> Block:
    rows = []
    for suite in report.suites:
        for metric in report.first.suites[suite.name].result.metrics:
            if metric.headline:
                title = task_title(metric.title, metric.metric)
                rows.append(
                    (
                        (
                            Words(f"{suite.title}: {title}"),
                            Words(name_way(metric.better), "hint"),
                        ),
                        number(format_count(metric.estimate.items)),
                        format_estimate(metric.estimate, rate=is_share(metric)),
                    )
                )
    return Table("Headline measures", ("Measure", "Items", report.first.label), tuple(rows))


def _reading(report: Report) -> Block:
    blocks: list[Block] = [
        Paragraph(
            "A result stands with its 95% interval in brackets. A suite has only so many items; "
            "other items of the same kind would give a somewhat different result. Intervals made "
            "in this way hold the true value about 95 times in 100."
        )
    ]
    if report.others:
        blocks.append(
            Paragraph(
                f"A difference is the other model's result minus that of {report.first.label}, "
                "item by item; for shares it is in percentage points. A verdict is better or "
                "worse where the interval of the difference leaves out nought and chance would "
                "seldom do the same: in at most 1 of 20 decisions, all headline measures of the "
                "pair taken together (Holm). No worse by more than the margin: a loss of the size "
                "that was declared before measuring can be ruled out. Not distinguishable: these "
                "items cannot tell the two apart, which does not show that they are equal."
            )
        )
    for better, ideal in (
        ("half", "50% is the ideal: neither of two choices is favoured"),
        ("zero", "a gap of 0 is the ideal: both twins are treated alike"),
    ):
        titles = _titles_of(report, better)
        if titles:
            blocks.append(
                Paragraph(
                    f"For {', '.join(titles)}, {ideal}. There a difference says how much nearer "
                    "to the ideal the other model is."
                )
            )
    blocks.append(
        Paragraph(
            "Where none or all of the items went one way, the exact one-sided 95% bound stands "
            "below: none of 44 does not show that it never happens."
        )
    )
    return Details("How to read results, intervals and verdicts", tuple(blocks))


def _titles_of(report: Report, better: str) -> Sequence[str]:
    titles = (
        metric.title
        for model in report.models
        for suite in model.suites.values()
        for metric in suite.result.metrics
        if metric.better == better
    )
    return tuple(dict.fromkeys(titles))
