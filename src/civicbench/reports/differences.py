"""A difference of two models as it stands in a table."""

from civicbench.evaluation.results import IDEALS, Comparison, Estimate
from civicbench.pages.document import Cell, Words
from civicbench.pages.wording import format_difference, is_rate


def difference_cell(comparison: Comparison, estimate: Estimate) -> Cell:
    """Return a difference with its interval, and what it says where half or 0 is the ideal.

    Args:
        comparison: The measure.
        estimate: Its difference, or that of one of its slices.
    """
    shown = format_difference(estimate, rate=is_rate(comparison))
    if comparison.better not in IDEALS:
        return shown
    # From 75% to 58% is +17 points here; without these words it reads as a mistake.
    ideal = "50%" if comparison.better == "half" else "0"
    return (*shown, Words(_name_distance(estimate.value, ideal=ideal), "hint"))


def _name_distance(change: float, *, ideal: str) -> str:
    if change == 0:
        return f"as near to {ideal}"
    return f"nearer to {ideal}" if change > 0 else f"further from {ideal}"
