"""Two models on the same items: their difference by pairs, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from civicbench.evaluation.results import Estimate
from civicbench.evaluation.statistics.bootstrap import Statistic
from civicbench.evaluation.statistics.clusters import Floats, effective_size, even_clusters
from civicbench.evaluation.statistics.means import ONE_SIDE, totals_estimate
from civicbench.evaluation.statistics.measures import (
    confusion_counts,
    macro_f1_of,
    mean_counts,
    mean_of,
)
from civicbench.evaluation.statistics.rates import Z_95, is_binary, none_of

_HALVINGS = 60
# Were five clusters to differ, all one way, chance would do the same in 1 of 16.
_FEW = 5


@dataclass(frozen=True)
class Contrast:
    """Two models' totals by cluster, on the same items, and what is computed from them.

    Attributes:
        first: What each cluster adds to the first model's totals, shape [clusters, columns].
        second: The same for the second model.
        statistic: Computes the value from totals.
        reach: The greatest difference possible.
        items: Items it stands on.
        size: Their effective number, for bounds where hardly any item differs. Whether
            differences come in clusters cannot be seen there: clusters are taken to matter as
            much as for the models' own values, and no more than if each stood or fell as one.
    """

    first: Floats
    second: Floats
    statistic: Statistic
    reach: float
    items: int
    size: float

    @property
    def both(self) -> Floats:
        """Both models' totals side by side."""
        return np.hstack([self.first, self.second])

    @property
    def few(self) -> bool:
        """Whether so few clusters differ that no verdict could come of it: five at most."""
        return int((self.first != self.second).any(axis=1).sum()) <= _FEW

    @property
    def unseen(self) -> float:
        """The largest difference that is compatible with no item differing, in 39 of 40 cases."""
        return self.reach * none_of(self.size, confidence=ONE_SIDE)

    def difference(self, totals: Floats) -> Floats:
        """Return second minus first from both models' totals side by side."""
        columns = self.first.shape[1]
        result: Floats = self.statistic(totals[..., columns:]) - self.statistic(
            totals[..., :columns]
        )
        return result


def mcnemar_exact(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided exact p-value that two models are right equally often.

    McNemar's test in its exact binomial form (McNemar 1947, Psychometrika 12:153-157): of the
    items on which the models differ, each is as likely to be right under the null hypothesis. It
    takes items as independent; `sign_flip` does not.

    Args:
        first: 1.0 where the first model is right, else 0.0, an item.
        second: The same for the second model, in the same order.
    """
    gained = sum(1 for a, b in zip(first, second, strict=True) if b > a)
    lost = sum(1 for a, b in zip(first, second, strict=True) if b < a)
    if gained + lost == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def score_interval(gained: float, lost: float, *, size: float) -> tuple[float, float]:
    """Return the 95 % score interval of a difference of two paired shares.

    Tango 1998 (Statistics in Medicine 17:891-908). Where few items differ it keeps its coverage,
    which intervals from the spread of the differences do not, and it is not empty where none do.

    Args:
        gained: The share of items that only the second model got right.
        lost: The share that only the first model got right.
        size: The number of items, or their effective number.
    """
    return _score_end(gained, lost, size, -1.0), _score_end(gained, lost, size, 1.0)


def _score_end(gained: float, lost: float, size: float, outermost: float) -> float:
    """Return the end of the score interval on one side, by halving."""
    inside, outside = gained - lost, outermost
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if _score(gained, lost, size, middle) <= Z_95:
            inside = middle
        else:
            outside = middle
    return outside


def _score(gained: float, lost: float, size: float, difference: float) -> float:
    """Return how many standard errors an assumed difference lies from the observed one."""
    # The likeliest share of lost items, given that the gained ones are so many more.
    linear = -gained - lost + (2 - gained + lost) * difference
    constant = -lost * difference * (1 - difference)
    share = (np.sqrt(max(linear**2 - 8 * constant, 0.0)) - linear) / 4
    variance = max(2 * share + difference * (1 - difference), 0.0) / size
    distance = abs(gained - lost - difference)
    return float(distance / np.sqrt(variance)) if variance > 0 else (np.inf if distance else 0.0)


def mean_difference(
    first: Sequence[float], second: Sequence[float], *, codes: NDArray[np.intp], seed: int
) -> Estimate:
    """Return the mean of second minus first with its paired 95 % interval.

    The interval of `estimate_contrast`. For right and wrong answers it is also at least as wide
    as the paired score interval on the effective number of items; where no item differs at all,
    the interval is the exact bound on the share of items that do.

    Args:
        first: The first model's value of each item.
        second: The second model's, in the same order.
        codes: The number of each item's cluster.
        seed: Seed of the draws.
    """
    before, after = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    found = estimate_contrast(contrast_means(first, second, codes=codes), seed=seed)
    if not (is_binary(first) and is_binary(second)) or bool((before == after).all()):
        return found
    low, high = score_interval(
        float((after > before).mean()),
        float((after < before).mean()),
        size=effective_size(after - before, codes),
    )
    method = f"{found.method}, and of the paired score interval"
    return found.model_copy(
        update={"low": min(low, found.low), "high": max(high, found.high), "method": method}
    )


def estimate_contrast(contrast: Contrast, *, seed: int) -> Estimate:
    """Return how much more a statistic is for the second model, with its paired 95 % interval.

    Both models' totals come from the same resampled clusters; see `totals_estimate`. Where at
    most five clusters differ, the interval also covers what it would if none did: so few say
    little of how differences spread, and a first loss must not read as safer than none.

    Args:
        contrast: The two models.
        seed: Seed of the draws.
    """
    found = totals_estimate(
        contrast.both,
        contrast.difference,
        limits=(-contrast.reach, contrast.reach),
        items=contrast.items,
        seed=seed,
        size=contrast.size,
    )
    if not contrast.few or min(-found.low, found.high) >= contrast.unseen:
        return found
    return found.model_copy(
        update={
            "low": min(found.low, -contrast.unseen),
            "high": max(found.high, contrast.unseen),
            "method": f"{found.method}, and of the bound where no item differs",
        }
    )


def contrast_means(
    first: Sequence[float],
    second: Sequence[float],
    *,
    codes: NDArray[np.intp],
    statistic: Statistic = mean_of,
) -> Contrast:
    """Return the contrast of two models by the mean of their values, or what follows from it.

    Args:
        first: The first model's value of each item.
        second: The second model's, in the same order.
        codes: The number of each item's cluster.
        statistic: Computes the value from sum and number of items.
    """
    before, after = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return Contrast(
        first=mean_counts(first, codes),
        second=mean_counts(second, codes),
        statistic=statistic,
        reach=_reach(before, after),
        items=len(before),
        size=size_of(before, after, codes=codes),
    )


def contrast_macro_f1(
    expected: NDArray[np.intp],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    *,
    codes: NDArray[np.intp],
) -> Contrast:
    """Return the contrast of two models by macro-F1.

    Args:
        expected: The right class of each item.
        first: The class that the first model picked.
        second: The class that the second model picked.
        codes: The number of each item's cluster.
    """
    before, after = ((expected == picked).astype(float) for picked in (first, second))
    return Contrast(
        first=confusion_counts(expected, first, codes),
        second=confusion_counts(expected, second, codes),
        statistic=macro_f1_of,
        reach=1.0,
        items=len(expected),
        size=size_of(before, after, codes=codes),
    )


def size_of(first: Floats, second: Floats, *, codes: NDArray[np.intp]) -> float:
    """Return the effective number of items by the models' own values; see `Contrast.size`."""
    own = min(effective_size(first, codes), effective_size(second, codes))
    return max(own, even_clusters(codes))


def _reach(first: Floats, second: Floats) -> float:
    """Return how far the values of two items can lie apart.

    1 where all values lie in [0, 1]; otherwise as far as those of any two items do.
    """
    lowest = float(min(first.min(), second.min()))
    highest = float(max(first.max(), second.max()))
    return 1.0 if lowest >= 0 and highest <= 1 else highest - lowest
