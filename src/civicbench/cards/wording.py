"""Numbers and verdicts in words that a reader without statistics can follow."""

from collections.abc import Sequence

from civicbench.cards.document import Cell, Colour, Tag, Words
from civicbench.evaluation.results import Better, Comparison, Estimate, Verdict

_MOST_DECIMALS = 4
_MINUS = "\N{MINUS SIGN}"
_VERDICT_COLOURS: dict[Verdict, Colour] = {
    "better": "green",
    "worse": "red",
    "not distinguishable": "grey",
}
_WAYS: dict[Better, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "half": "50% is the ideal",
}
_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def is_rate(comparison: Comparison) -> bool:
    """Return whether a metric's values are shares of a whole, and so read as percentages."""
    numbers = [
        number
        for estimate in (comparison.base, comparison.tuned)
        for number in (estimate.value, estimate.low, estimate.high)
    ]
    return all(0 <= number <= 1 for number in numbers)


def name_way(better: Better) -> str:
    """Return which way a metric is better, in words."""
    return _WAYS[better]


def verdict_tag(verdict: Verdict) -> Tag:
    """Return a comparison's verdict as a tag."""
    return Tag(verdict, _VERDICT_COLOURS[verdict])


def format_estimate(estimate: Estimate, *, rate: bool, decimals: int = 1) -> Cell:
    """Return a value, and its interval below it: `83.8%`, `(74.2% to 90.3%)`."""
    numbers = (estimate.value, estimate.low, estimate.high)
    value, low, high = (format_value(n, rate=rate, decimals=decimals) for n in numbers)
    return Words(value), Words(f"({low} to {high})")


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
    return Words(value + (" points" if rate else "")), Words(f"({low} to {high})")


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


def visible(text: str) -> str:
    """Return text in which unprintable and direction-changing characters can be seen.

    Control characters, lone surrogates and bidirectional marks could hide or reorder what a
    reader sees, or make a file that is not valid; each is shown as its code point.
    """
    return "".join(f"[U+{ord(letter):04X}]" if _is_hidden(letter) else letter for letter in text)


def _is_hidden(letter: str) -> bool:
    point = ord(letter)
    return (
        (point < 0x20 and letter not in "\n\t")
        or 0x7F <= point <= 0x9F
        or 0xD800 <= point <= 0xDFFF
        or 0x200B <= point <= 0x200F
        or 0x2028 <= point <= 0x202E
        or 0x2060 <= point <= 0x2069
        or point in (0xFEFF, 0xFFFE, 0xFFFF)
        or 0xE0000 <= point <= 0xE007F
    )


def _sign(shown: str) -> str:
    return shown.replace("-", _MINUS)
