"""Two models on the same items, compared by pairs."""

import math
from collections.abc import Sequence

from scipy.stats import binomtest

from civicbench.evaluation.results import Better, Estimate, Verdict
from civicbench.evaluation.statistics.rates import bootstrap_mean


def mcnemar_exact(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided exact p-value that two models are right equally often.

    McNemar's test in its exact binomial form (McNemar 1947, Psychometrika 12): of the items on
    which the models differ, each is as likely to be right under the null hypothesis.

    Args:
        first: 1.0 where the first model is right, else 0.0, an item.
        second: The same for the second model, in the same order.
    """
    gained = sum(1 for a, b in zip(first, second, strict=True) if b > a)
    lost = sum(1 for a, b in zip(first, second, strict=True) if b < a)
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5).pvalue)


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, clusters: Sequence[str], seed: int
) -> Estimate:
    """Return the mean of second minus first with its paired clustered bootstrap interval.

    Args:
        first: The first model's value of each item.
        second: The second model's, in the same order.
        clusters: The cluster of each item.
        seed: Seed of the draws.
    """
    differences = [b - a for a, b in zip(first, second, strict=True)]
    low, high = bootstrap_mean(differences, clusters=clusters, seed=seed)
    return Estimate(
        value=math.fsum(differences) / len(differences),
        low=low,
        high=high,
        items=len(differences),
        method="paired bootstrap over clusters",
    )


def judge_difference(difference: Estimate, *, better: Better) -> Verdict:
    """Return what a difference's interval says: better or worse where it excludes zero."""
    low, high = difference.low, difference.high
    if better == "lower":
        low, high = -high, -low
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "not distinguishable"
