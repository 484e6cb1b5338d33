"""What is measured, as functions of cluster totals: means, nearness to an ideal, macro-F1."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.statistics.clusters import Floats, cluster_sums

_IDEAL_HALF = 0.5


def mean_counts(values: Sequence[float], codes: NDArray[np.intp]) -> Floats:
    """Return each cluster's sum of values and number of items, for `mean_of`."""
    array = np.asarray(values, dtype=float)
    return cluster_sums(np.column_stack([array, np.ones(len(array))]), codes)


def mean_of(totals: Floats) -> Floats:
    """Return the mean of the items from their sum and number."""
    result: Floats = totals[..., 0] / totals[..., 1]
    return result


def nearness_to_half(totals: Floats) -> Floats:
    """Return how near the mean is to 0.5: 0 there, negative elsewhere."""
    result: Floats = -np.abs(mean_of(totals) - _IDEAL_HALF)
    return result


def nearness_to_zero(totals: Floats) -> Floats:
    """Return how near the mean is to 0: 0 there, negative elsewhere."""
    result: Floats = -np.abs(mean_of(totals))
    return result


def confusion_counts(
    expected: NDArray[np.intp], picked: NDArray[np.intp], codes: NDArray[np.intp]
) -> Floats:
    """Return each cluster's hits, mistakes and expected items by class, for `macro_f1_of`.

    Args:
        expected: The right class of each item.
        picked: The class that the model picked.
        codes: The number of each item's cluster.

    Returns:
        An array of shape [clusters, 3 * classes], of the classes that some item expects.
    """
    labels = np.unique(expected)
    right = expected[:, None] == labels
    chosen = picked[:, None] == labels
    return cluster_sums(np.hstack([right & chosen, right != chosen, right]).astype(float), codes)


def macro_f1_of(totals: Floats) -> Floats:
    """Return macro-F1 from hits, mistakes and expected items by class; see `macro_f1`."""
    hits, wrong, asked = np.split(totals, 3, axis=-1)
    scores = np.divide(2 * hits, 2 * hits + wrong, out=np.zeros_like(hits), where=asked > 0)
    result: Floats = scores.sum(axis=-1) / np.maximum((asked > 0).sum(axis=-1), 1)
    return result


def macro_f1(expected: NDArray[np.intp], picked: NDArray[np.intp]) -> float:
    """Return the unweighted mean of F1 over the classes that are expected.

    F1 = 2 TP / (2 TP + FP + FN) per class; classes that no item expects are left out, so that a
    resample without a class is not punished for it.
    """
    codes = np.zeros(len(expected), dtype=np.intp)
    return float(macro_f1_of(confusion_counts(expected, picked, codes))[0])
