"""How well predicted attributes rank images: average precision and its mean over attributes.

Explained on page: notation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def average_precision(scores: NDArray[np.floating], wanted: NDArray[np.bool_]) -> float:
    """Mean, over the wanted images, of the share of wanted ones among those that score as high or higher.

    Args:
        scores: of the images, (N,).
        wanted: which of them have the attribute, (N,); one at least.
    """
    of_wanted = scores[wanted]
    hits, all_found = (len(among) - np.searchsorted(np.sort(among), of_wanted) for among in (of_wanted, scores))
    return float((hits / all_found).mean())


def mean_average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Attribute mAP: the mean over attributes of the average precision with which each ranks the images.

    An attribute that all images have, or none, ranks nothing and is left out.

    Args:
        scores: of each attribute, such as its logit or probability, (N, K).
        truth: 0 or 1, (N, K).

    Returns:
        A fraction of one.

    Raises:
        ValueError: shapes that do not fit; no attribute that tells images apart.
    """
    rows, known = np.asarray(scores), np.asarray(truth).astype(bool)
    if rows.ndim != 2 or rows.shape != known.shape:
        raise ValueError(f"truth: expected as many rows and columns as scores, got {known.shape} for {rows.shape}.")
    columns = np.flatnonzero(known.any(axis=0) & ~known.all(axis=0))
    if len(columns) == 0:
        raise ValueError(f"truth: no attribute of {known.shape[1]} is there in some images and not in others.")
    return float(np.mean([average_precision(rows[:, k], known[:, k]) for k in columns]))
