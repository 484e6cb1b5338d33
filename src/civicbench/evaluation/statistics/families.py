"""Verdicts, and the measures of one decision taken together."""

from collections.abc import Mapping, Sequence

import numpy as np

from civicbench.evaluation.results import Better, Comparison, Estimate, Place, Verdict

LEVEL = 0.05


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted so that a family has at most one false finding in twenty decisions.

    Holm 1979 (Scandinavian Journal of Statistics 6:65-70): the smallest of m is multiplied by m,
    the next by m - 1, and so on; none is let fall below the one before it.

    Args:
        p_values: Of the family, in any order.

    Returns:
        The adjusted values in the same order, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return tuple(adjusted)


def judge_difference(
    difference: Estimate, *, better: Better, p_value: float | None, margin: float | None
) -> Verdict:
    """Return what a difference shows.

    "better" and "worse" need an interval without zero and a p-value of 0.05 at most. Failing
    that, a model is "no worse by more than the margin" where the whole interval lies above a loss
    of that size (non-inferiority: ICH E9 1998, section 3.3.2). A margin counts only if it was
    declared before measuring.

    Args:
        difference: Second minus first, with its 95 % interval; where there is an ideal, how much
            nearer to it.
        better: Which way the metric is better.
        p_value: Of the difference, adjusted for its family where it has one; None where none can
            be worked out, which shows nothing.
        margin: The tolerable loss, above zero; None where none was declared.
    """
    low, high = difference.low, difference.high
    if better == "lower":
        low, high = -high, -low
    clear = p_value is not None and p_value <= LEVEL
    if clear and low > 0:
        return "better"
    if clear and high < 0:
        return "worse"
    if margin is not None and low > -margin:
        return "no worse by more than the margin"
    return "not distinguishable"


def adjust_family(
    comparisons: Sequence[Comparison], *, margins: Mapping[Place, float]
) -> tuple[Comparison, ...]:
    """Return all comparisons of one decision with their final verdicts.

    The headline measures of all its suites are one family, whose p-values are adjusted by Holm's
    method. Other measures keep their own p-value: they explain, they are not what is decided by.
    Margins are not adjusted for: a gate asks for every one of its rules, and demanding all of
    several claims does not raise the chance of a false one (Berger 1982, Technometrics 24:295).

    Args:
        comparisons: Every measure of every suite.
        margins: The tolerable loss by suite, task and metric, as declared before measuring.
    """
    family = [n for n, c in enumerate(comparisons) if c.headline and c.p_cluster is not None]
    adjusted = dict(
        zip(family, holm([comparisons[n].p_cluster or 0.0 for n in family]), strict=True)
    )
    judged = []
    for number, comparison in enumerate(comparisons):
        p_holm = adjusted.get(number)
        margin = margins.get((comparison.suite, comparison.task, comparison.metric))
        verdict = judge_difference(
            comparison.difference,
            better=comparison.better,
            p_value=comparison.p_cluster if p_holm is None else p_holm,
            margin=margin,
        )
        judged.append(
            comparison.model_copy(update={"p_holm": p_holm, "margin": margin, "verdict": verdict})
        )
    return tuple(judged)
