"""Numbers and verdicts in words that a reader without statistics can follow."""

from collections.abc import Sequence

from civicbench.evaluation.results import NO_SHARES, Better, Comparison, Estimate, Verdict
from civicbench.evaluation.wholes import find_whole
from civicbench.pages.document import Cell, Colour, Tag, Words

_MOST_DECIMALS = 4
_MINUS = "\N{MINUS SIGN}"
_VERDICT_COLOURS: dict[Verdict, Colour] = {
    "better": "green",
    "worse": "red",
    "no worse by more than the margin": "blue",
    "not distinguishable": "grey",
}
_WAYS: dict[Better, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "half": "50% is the ideal",
    "zero": "0 is the ideal",
}
_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def is_rate(comparison: Comparison) -> bool:
    """Return whether a metric's values are shares of a whole, and so read as percentages.

    A measure whose ideal is 0 is the difference of two shares.
    """
    whole = find_whole(comparison.metric)
    if whole is not None:
        return whole.share
    if comparison.better == "zero" or comparison.metric in NO_SHARES:
        return comparison.metric not in NO_SHARES
    numbers = [
        number
        for estimate in (comparison.base, comparison.tuned)
        for number in (estimate.value, estimate.low, estimate.high)
    ]
    return all(0 <= number <= 1 for number in numbers)


def name_way(better: Better) -> str:
    """Return which way a metric is better, in words."""
    return _WAYS[better]


def explain_verdict(comparison: Comparison) -> str:
    """Return in a sentence what a comparison's verdict rests on; see `judge_difference`."""
    rate = is_rate(comparison)
    family = comparison.p_holm is not None
    p_value = format_probability(comparison.p_holm if family else comparison.p_cluster)
    number = f"{p_value}{', adjusted for all headline results' if family else ''}"
    if comparison.verdict in ("better", "worse"):
        return f"The interval lies wholly on one side of nought ({number})."
    if comparison.verdict == "no worse by more than the margin" and comparison.margin is not None:
        return f"Any loss is smaller than the margin of {_size(comparison.margin, rate=rate)}."
    if comparison.minimum_detectable is None:
        return f"Chance can explain the difference ({number})."
    smallest = _size(comparison.minimum_detectable, rate=rate)
    return (
        f"Chance can explain the difference ({number}). These items would show one of {smallest} "
        "four times in five."
    )


def _size(number: float, *, rate: bool) -> str:
    """Return a distance without its sign: `5.0 points`."""
    if not rate:
        return f"{number:.4g}"
    return f"{number * 100:.{decimals_apart([number], (0.0,), scale=100)}f} points"


def verdict_tag(verdict: Verdict) -> Tag:
    """Return a comparison's verdict as a tag."""
    return Tag(verdict, _VERDICT_COLOURS[verdict])


def format_estimate(estimate: Estimate, *, rate: bool, decimals: int = 1) -> Cell:
    """Return a value, and its interval below it: `83.8%`, `(74.2% to 90.3%)`.

    None or all of the items stand with their one-sided bound: `0 of 44; at most 6.6%`.
    """
    numbers = (estimate.value, estimate.low, estimate.high)
    value, low, high = (format_value(n, rate=rate, decimals=decimals) for n in numbers)
    shown = (Words(value, "number"), Words(f"({low} to {high})", "number"))
    bound = format_bound(estimate, decimals=decimals)
    return (*shown, Words(bound, "hint")) if bound else shown


def format_bound(estimate: Estimate, *, decimals: int = 1) -> str:
    """Return what none or all of the items show: `0 of 44; at most 6.6%`; else nothing."""
    if estimate.bound is None:
        return ""
    count = round(estimate.value * estimate.items)
    limit = "at most" if estimate.value == 0 else "at least"
    shown = format_value(estimate.bound, rate=True, decimals=decimals)
    text = f"{count:,} of {estimate.items:,}; {limit} {shown}"
    if estimate.bound_together is None:
        return text
    together = format_value(estimate.bound_together, rate=True, decimals=decimals)
    return f"{text}, or {together} if items of one group stand or fall together"


def format_value(number: float, *, rate: bool, decimals: int = 1) -> str:
    """Return one value; a share below 100% never reads as 100%, nor one above nothing as 0%."""
    if not rate:
        return _sign(f"{number:.4g}")
    needed = decimals_apart([number], (0.0, 1.0), scale=100, least=decimals)
    return _sign(f"{number * 100 + 0.0:.{needed}f}") + "%"


def format_difference(estimate: Estimate, *, rate: bool, decimals: int = 1) -> Cell:
    """Return a difference, and its interval below it: `+76.3 points`, `(+65.0 to +86.2)`."""
    numbers = (estimate.value, estimate.low, estimate.high)
    value, low, high = (format_change(n, rate=rate, decimals=decimals) for n in numbers)
    unit = " points" if rate else ""
    return Words(value + unit, "number"), Words(f"({low} to {high})", "number")


def format_change(number: float, *, rate: bool, decimals: int = 1) -> str:
    """Return one difference with its sign, in percentage points for a rate.

    It has as many decimals as it takes to see on which side of nought it lies.
    """
    if not rate:
        return _sign(f"{number + 0.0:+.4g}")
    needed = decimals_apart([number], (0.0,), scale=100, least=decimals)
    return _sign(f"{number * 100 + 0.0:+.{needed}f}")


def decimals_apart(
    numbers: Sequence[float], marks: Sequence[float], *, scale: float, least: int = 1
) -> int:
    """Return how many decimals keep numbers that differ from a mark from reading as equal to it.

    Args:
        numbers: What is shown.
        marks: What it is read against, such as a threshold or nought.
        scale: What both are multiplied by when shown.
        least: The fewest decimals.
    """
    for decimals in range(least, _MOST_DECIMALS):
        if all(
            number == mark or round(number * scale, decimals) != round(mark * scale, decimals)
            for number in numbers
            for mark in marks
        ):
            return decimals
    return _MOST_DECIMALS


def format_probability(p_value: float | None) -> str:
    """Return a p-value: `p < 0.001` or `p = 0.042`; "no p-value" where there is none."""
    if p_value is None:
        return "no p-value"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def format_count(number: int) -> str:
    """Return a whole number with its thousands set apart by commas."""
    return f"{number:,}"


def format_time(seconds: float) -> str:
    """Return a length of time in the units that a person would use."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} seconds"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def format_bytes(number: int) -> str:
    """Return an amount of memory in decimal units."""
    amount = float(number)
    step = 0
    while amount >= 1000 and step < len(_BYTE_UNITS) - 1:
        amount /= 1000
        step += 1
    return f"{amount:.0f} bytes" if step == 0 else f"{amount:.2f} {_BYTE_UNITS[step]}"


def name_field(name: str) -> str:
    """Return a key of settings as words: `learning_rate` becomes "learning rate"."""
    return name.replace("_", " ")


def count_of(number: int, noun: str) -> str:
    """Return a count with its noun in the singular or plural: "1 item", "4 items"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _sign(shown: str) -> str:
    return shown.replace("-", _MINUS)
