"""Comparisons of two models as a table on the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_table

if TYPE_CHECKING:
    from civicbench.evaluation.results import Comparison, Estimate, SuiteResult


def print_comparisons(
    comparisons: Sequence["Comparison"], *, columns: tuple[str, str] = ("base", "tuned")
) -> None:
    """Print comparisons as a table, and what is suspect about them.

    Args:
        comparisons: Measure by measure.
        columns: What the first and the second model are called.
    """
    from civicbench.evaluation.comparing import suspects
    from civicbench.pages.wording import is_rate

    rows = [
        (
            c.suite,
            c.title if c.metric == "accuracy" else f"{c.title}: {c.metric}",
            _value(c.base.value, rate=is_rate(c)),
            _value(c.tuned.value, rate=is_rate(c)),
            _difference(c.difference, rate=is_rate(c)),
            c.verdict,
        )
        for c in comparisons
    ]
    print_table("", ("suite", "measure", *columns, "difference [95 % interval]", "verdict"), rows)
    alike = dict.fromkeys(f"{suite}: {task}" for suite, task in suspects(comparisons))
    if alike:
        click.echo(
            f"Suspect: {columns[1]} gave {columns[0]}'s answers, with the same likelihoods where "
            f"answers have them, on every item of {', '.join(alike)}."
        )
    if any(c.better in ("half", "zero") for c in comparisons):
        click.echo("Where 50 % or a gap of 0 is the ideal, the difference says how much nearer.")


def print_judges(results: "Iterable[SuiteResult]") -> None:
    """Print how far the judges behind some results agree with people."""
    from civicbench.pages.judges import judges_of, tell_agreement

    for judge in judges_of(results):
        click.echo(tell_agreement(judge))


def _value(value: float, *, rate: bool) -> str:
    return f"{100 * value:.1f} %" if rate else f"{value:.3g}"


def _difference(estimate: "Estimate", *, rate: bool) -> str:
    if not rate:
        return f"{estimate.value:+.3g} [{estimate.low:+.3g}, {estimate.high:+.3g}]"
    return f"{100 * estimate.value:+.1f} [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"
