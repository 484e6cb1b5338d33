"""Which forest plots a report has, and what stands in them."""

from collections.abc import Sequence

from civicbench.evaluation.results import Better, Comparison, Estimate
from civicbench.pages.document import Words
from civicbench.pages.wording import format_change, format_difference, is_rate
from civicbench.reports.forest import Forest, ForestGroup, ForestRow
from civicbench.reports.report import Report

_LEAST_SLICES = 3
_KEY = "Filled square: better or worse. Open square: no such verdict."


def headline_forest(report: Report) -> Forest | None:
    """Return the plot of all headline differences; None where no model is compared.

    Shares and other values have no axis in common: values that are not shares are left to the
    tables.
    """
    groups = []
    for model in report.others:
        headline = [c for c in report.comparisons[model.label] if c.headline and is_rate(c)]
        rows = [
            _row(
                _label(report.measure_title(c), c.better),
                c.difference,
                mark=_margin_mark(c),
                filled=c.verdict in ("better", "worse"),
            )
            for c in headline
        ]
        if rows:
            title = f"{model.label} minus {report.first.label}"
            groups.append(ForestGroup(title, tuple(rows)))
    if not groups:
        return None
    return Forest(
        name="differences",
        title="Differences of the headline measures, with 95% intervals",
        axis="Percentage points",
        description="Forest plot of the headline differences. " + _tell(groups),
        groups=tuple(groups),
        key=_KEY,
    )


def slice_forest(
    report: Report, comparison: Comparison, *, field: str, other: str, name: str
) -> Forest | None:
    """Return the plot of a measure's differences by the values of a field.

    None for one or two values, which a table shows better, and for values that are not shares.

    Args:
        report: The report.
        comparison: The measure.
        field: The field.
        other: The label of the model that is compared with the first.
        name: Begins every id within the picture.
    """
    parts = [part for part in comparison.slices if part.field == field]
    if len(parts) < _LEAST_SLICES or not is_rate(comparison):
        return None
    rows = [
        _row(f"{part.value} ({part.tuned.items:,} items)", part.difference, mark=None)
        for part in parts
    ]
    group = ForestGroup("", tuple(rows))
    measure = _label(report.measure_title(comparison), comparison.better)
    return Forest(
        name=name,
        title=f"{measure} by {field}: {other} minus {report.first.label}",
        axis="Percentage points, with 95% intervals",
        description=f"Forest plot of {measure} by {field}, {other} minus {report.first.label}. "
        + _tell([group]),
        groups=(group,),
    )


def _row(label: str, difference: Estimate, *, mark: float | None, filled: bool = True) -> ForestRow:
    cell = format_difference(difference, rate=True)
    shown = " ".join(part.text for part in cell if isinstance(part, Words))
    return ForestRow(
        label=label,
        value=100 * difference.value,
        low=100 * difference.low,
        high=100 * difference.high,
        mark=None if mark is None else 100 * mark,
        shown=shown.replace(" points", ""),
        filled=filled,
    )


def _label(title: str, better: Better) -> str:
    note = {
        "higher": "",
        "lower": " (lower is better)",
        "half": " (how much nearer to 50%)",
        "zero": " (how much nearer to 0)",
    }
    return title + note[better]


def _margin_mark(comparison: Comparison) -> float | None:
    if comparison.margin is None:
        return None
    return comparison.margin if comparison.better == "lower" else -comparison.margin


def _tell(groups: Sequence[ForestGroup]) -> str:
    parts = []
    for group in groups:
        rows = "; ".join(_tell_row(row) for row in group.rows)
        parts.append(f"{group.title}: {rows}." if group.title else f"{rows}.")
    return " ".join(parts)


def _tell_row(row: ForestRow) -> str:
    text = f"{row.label}: {row.shown}"
    if row.mark is None:
        return text
    return f"{text}, tolerable loss up to {format_change(row.mark / 100, rate=True)}"
