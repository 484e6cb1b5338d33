"""Comparisons of two models as a table on the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_table

if TYPE_CHECKING:
    from civicbench.evaluation.results import Comparison, SuiteResult


def print_comparisons(
    comparisons: Sequence["Comparison"], *, columns: tuple[str, str] = ("base", "tuned")
) -> None:
    """Print comparisons as a table, and what is suspect about them.

    Args:
        comparisons: Measure by measure.
        columns: What the first and the second model are called.
    """
    from civicbench.evaluation.comparing import suspects

    rows = [
        (
            c.suite,
            c.title if c.metric == "accuracy" else f"{c.title}: {c.metric}",
            _value(c, c.base.value),
            _value(c, c.tuned.value),
            _difference(c),
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
    if any(c.better == "half" for c in comparisons):
        click.echo("Where 50 % is the ideal, the difference says how much nearer to it.")
    if any(c.better == "zero" for c in comparisons):
        click.echo("Where 0 is the ideal, the difference says how much nearer to it.")


def print_judges(results: "Iterable[SuiteResult]") -> None:
    """Print how far the judges behind some results agree with people."""
    from civicbench.pages.judges import judges_of, tell_agreement

    for judge in judges_of(results):
        click.echo(tell_agreement(judge))


def _value(comparison: "Comparison", value: float) -> str:
    return f"{100 * value:.1f} %" if _is_share(comparison) else f"{value:+.3f}"


def _is_share(comparison: "Comparison") -> bool:
    from civicbench.evaluation.wholes import find_whole

    whole = find_whole(comparison.metric)
    return whole is None or whole.share


def _difference(comparison: "Comparison") -> str:
    estimate = comparison.difference
    if not _is_share(comparison):
        return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
    return f"{100 * estimate.value:+.1f} [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"
