r"""What a network's pooled features and gates are like: variance by channel, and what it says of the classes; how alike
the branches of a model are.

Sources: the quantities behind VEM sections III.B and III.C, as the criteria of claims V03 to V06 define them; the
similarity between learners of DeML Table 4 (claims D21, D22 and D24). All functions take arrays in memory and
return numbers in per cent. Explained on pages: vem, channel-attention.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

QUANTILES = (0, 5, 25, 50, 75, 95, 100)


def fisher_ratio(features: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Variance between classes over variance within them, of each channel; every image counts once.

    Args:
        features: (N, C).
        labels: class of each row, (N,).

    Returns:
        (C,); 0 where a channel is constant, infinite where it is constant within every class alone.
    """
    rows = np.asarray(features, np.float64)
    _, classes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), rows.shape[1]))
    np.add.at(means, classes, rows)
    means /= counts[:, None]
    between = (counts[:, None] * (means - rows.mean(axis=0)) ** 2).sum(axis=0)
    within = ((rows - means[classes]) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(between > 0, between / within, 0.0)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation in per cent; 0 where one of the two is constant."""
    from scipy.stats import rankdata

    a, b = (rankdata(np.asarray(values)) for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(100 * (a @ b) / size) if size else 0.0


def variance_fisher_correlation(features: ArrayLike, labels: ArrayLike, variance: ArrayLike | None = None) -> float:
    """Rank correlation over channels, in per cent, of their variance and :func:`fisher_ratio`; dead channels, which are
    constant on these images, stay out.

    Args:
        features, labels: as of :func:`fisher_ratio`.
        variance: of each channel on other images, (C,); None: on these.
    """
    rows = np.asarray(features, np.float64)
    own = rows.var(axis=0)
    alive = own > 0
    given = own if variance is None else np.asarray(variance, np.float64)
    return rank_correlation(given[alive], fisher_ratio(rows[:, alive], labels))


def discarded_gate_share(gate: ArrayLike) -> float:
    """Per cent of the gates that lie below half the mean gate."""
    gates = np.asarray(gate, np.float64)
    return float(100 * (gates < gates.mean() / 2).mean())


def gate_quantiles(gate: ArrayLike) -> dict[str, float]:
    """``gate_q0`` to ``gate_q100``: the :data:`QUANTILES` of the gates, which lie from 0 to 1."""
    values = np.percentile(np.asarray(gate, np.float64), QUANTILES)
    return {f"gate_q{q}": float(value) for q, value in zip(QUANTILES, values, strict=True)}


def relative_variance_error(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean over channels of |actual - predicted| over the mean actual variance, in per cent."""
    guess, truth = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    return float(100 * np.abs(truth - guess).mean() / truth.mean())


def batch_variance_errors(features: ArrayLike, batches: Iterable[ArrayLike]) -> tuple[float, float]:
    """How far the variances of batches are from that of all images.

    Args:
        features: (N, C).
        batches: rows of each batch.

    Returns:
        Mean over batches and channels of |batch's - all's| / all's, and of (batch's - all's) / all's, in per cent;
        channels that are constant over all images stay out.
    """
    rows = np.asarray(features, np.float64)
    rows = rows[:, rows.var(axis=0) > 0]
    whole = rows.var(axis=0)
    found = np.array([rows[np.asarray(batch)].var(axis=0) / whole - 1 for batch in batches])
    return float(100 * np.abs(found).mean()), float(100 * found.mean())


def unit_vectors(values: ArrayLike) -> NDArray[np.float64]:
    """Vectors along the last axis at length one; one of length zero stays zero."""
    rows = np.asarray(values, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def overlap(branches: ArrayLike) -> NDArray[np.float64]:
    """Mean cosine over images of each pair of branches, in per cent: outputs of learners, or gates.

    Args:
        branches: (J, N, d), on any scale.

    Returns:
        (J, J), symmetric, 100 on the diagonal.
    """
    unit = unit_vectors(branches)
    return 100 * np.einsum("ind,jnd->ij", unit, unit) / unit.shape[1]


def of_pairs(matrix: ArrayLike) -> NDArray[np.float64]:
    """The entries of a symmetric matrix (J, J) above its diagonal, one a pair of two branches, (J (J - 1) / 2,)."""
    values = np.asarray(matrix, np.float64)
    return values[np.triu_indices(len(values), 1)]


def mean_overlap(matrix: ArrayLike) -> float:
    """Mean over the pairs of two branches of :func:`overlap`; never below -100 / (J - 1)."""
    return float(of_pairs(matrix).mean())


def participation_ratio(matrix: ArrayLike) -> float:
    """How many branches of :func:`overlap` are distinct: J for mutually orthogonal ones, 1 for copies (and opposites).

    It is the squared sum of the eigenvalues over the sum of their squares, and here J^2 over the sum of the squared
    cosines.
    """
    cosines = np.asarray(matrix, np.float64) / 100
    return float(np.trace(cosines) ** 2 / np.square(cosines).sum())
