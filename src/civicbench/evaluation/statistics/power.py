"""What a comparison of this size could have found."""

import math

from scipy.special import stdtrit

from civicbench.evaluation.statistics.bootstrap import jackknife, jackknife_standard_error
from civicbench.evaluation.statistics.pairs import Contrast
from civicbench.evaluation.statistics.rates import none_of

_POWER = 0.8
_ONE_SIDE = 0.975


def minimum_detectable(contrast: Contrast) -> float | None:
    """Return the smallest true difference that would be found four times in five.

    With 80 % power and two-sided 5 %: the clustered paired standard error times the sum of two
    t quantiles with clusters - 1 degrees of freedom (Bloom 1995, Evaluation Review 19:547-556),
    which tends to Miller 2024's 2.8 standard errors (arXiv 2411.00640, section 5). Where five
    clusters at most differ, the standard error is at least that of the largest share of differing
    items which would still leave none among so many, 1 time in 20.

    Args:
        contrast: The two models.

    Returns:
        The difference, at most the greatest possible; None with fewer than two clusters.
    """
    clusters = len(contrast.first)
    if clusters < 2:
        return None
    error = jackknife_standard_error(jackknife(contrast.both, contrast.difference))
    if contrast.few:
        error = max(error, contrast.reach * math.sqrt(none_of(contrast.size) / contrast.size))
    quantiles = float(stdtrit(clusters - 1, _ONE_SIDE) + stdtrit(clusters - 1, _POWER))
    return min(contrast.reach, quantiles * error)
