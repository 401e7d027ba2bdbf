"""Clustering metrics: k-means of the embeddings against the classes.

Sources: NMI and F1 as in Song et al. 2016, which the documents' tables follow. Explained on page: protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from torch import Tensor


def kmeans(embeddings: ArrayLike | Tensor, k: int, seed: int, restarts: int = 10) -> NDArray[np.int64]:
    """Cluster numbers (N,) of k-means with k-means++ starts, the best of several restarts by inertia.

    Args:
        embeddings: finite (N, D), as they are searched (the documents cluster the normalised ones); of any floating
            type and device.
        k: number of clusters, usually the number of classes.
        seed: seed of all restarts; the same seed gives the same clusters.
        restarts: number of starts.

    Raises:
        ValueError: on a wrong shape, a row that is not finite (naming it), or k outside 1 to N.
    """
    from sklearn.cluster import KMeans

    from reproducible.evaluation.rows import embeddings_of

    rows = embeddings_of(embeddings, "embeddings").cpu().numpy()
    if not 1 <= k <= len(rows):
        raise ValueError(f"k: {k} clusters asked for; {len(rows)} rows allow 1 to {len(rows)}.")
    return KMeans(k, n_init=restarts, random_state=seed).fit_predict(rows).astype(np.int64)


def nmi(labels: ArrayLike, assign: ArrayLike) -> float:
    """Normalised mutual information, 0 to 1: I(labels; clusters) over the arithmetic mean of the two entropies."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(*_pair(labels, assign), average_method="arithmetic"))


def pairwise_f1(labels: ArrayLike, assign: ArrayLike) -> float:
    """F1 over pairs of items, 0 to 1: a pair is positive if its labels agree, predicted if its clusters agree.

    Precision is the part of predicted pairs that are positive, recall the part of positive pairs that are predicted;
    F1 is their harmonic mean, and 0 where no pair is both.
    """
    classes, clusters = (np.unique(values, return_inverse=True)[1] for values in _pair(labels, assign))
    cells = np.unique(classes * (clusters.max() + 1) + clusters, return_counts=True)[1]
    both, positive, predicted = (_pairs(counts) for counts in (cells, np.bincount(classes), np.bincount(clusters)))
    return 2 * both / (positive + predicted) if both else 0.0


def _pairs(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _pair(labels: ArrayLike, assign: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both as arrays, of one length.

    Raises:
        ValueError: if they are not.
    """
    first, second = np.asarray(labels), np.asarray(assign)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise ValueError(
            f"labels {first.shape} and clusters {second.shape} must be two lists of one length, not empty."
        )
    return first, second
