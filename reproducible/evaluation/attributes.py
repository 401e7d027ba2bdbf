"""How well predicted attributes rank images, and what their similarity says of pairs.

Explained on page: sgml.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.evaluation.features import rank_correlation, unit_vectors


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


def similarity_and_hardness(probabilities: ArrayLike, embeddings: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """What the similarity of predicted attributes (SGML Eq. 5) says of the hardness of pairs.

    A negative pair is the harder, the nearer its embeddings are; a positive pair, the further apart. The document takes
    a negative pair for hard where its attributes are alike, a positive one where they are not; so on both sides it
    asks for a rank correlation of the two similarities.

    Args:
        probabilities: of the attributes, (N, K).
        embeddings: on any scale, (N, D).
        labels: of the images, (N,).

    Returns:
        In per cent: ``similarity_positive`` and ``similarity_negative``, mean similarity of the attributes over all
        pairs of one class and of two; ``hardness_positive`` and ``hardness_negative``, rank correlation of the
        similarities of attributes and embeddings within each kind; ``similarity_hardness_correlation``, the mean of
        these two.

    Raises:
        ValueError: no pair of one class, or none of two.
    """
    classes = np.asarray(labels)
    one, other = np.triu_indices(len(classes), 1)
    kinds = {"positive": classes[one] == classes[other], "negative": classes[one] != classes[other]}
    alike, near = (_cosines(rows)[one, other] for rows in (probabilities, embeddings))
    found = {}
    for kind, chosen in kinds.items():
        if not chosen.any():
            raise ValueError(f"labels: there is no {kind} pair among {len(classes)} images.")
        found[f"similarity_{kind}"] = float(100 * alike[chosen].mean())
        found[f"hardness_{kind}"] = rank_correlation(alike[chosen], near[chosen])
    found["similarity_hardness_correlation"] = (found["hardness_positive"] + found["hardness_negative"]) / 2
    return found


def _cosines(rows: ArrayLike) -> NDArray[np.float64]:
    unit = unit_vectors(rows)
    return unit @ unit.T
