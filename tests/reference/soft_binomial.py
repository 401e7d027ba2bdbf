"""Soft binomial deviance pair by pair, with its gradient worked out on paper (SGML Eq. 4 to 8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


def soft_binomial(
    embeddings: Rows,
    logits: Rows,
    positives: list[tuple[int, int]],
    negatives: list[tuple[int, int]],
    alpha: float,
    beta: float,
    sign: int = -1,
) -> tuple[float, Rows, Rows]:
    """The loss, and its derivatives with respect to embeddings and logits (as if the gradient passed through g).

    Args:
        sign: of g in a negative pair: -1 as in Eq. 8, 1 flipped.
    """
    probabilities = 1 / (1 + np.exp(-logits))
    by_embedding, by_probability, loss = np.zeros_like(embeddings), np.zeros_like(logits), 0.0
    for pairs, same in ((positives, True), (negatives, False)):
        for i, j in pairs:
            s, g = cosine(embeddings[i], embeddings[j]), cosine(probabilities[i], probabilities[j])
            x = -alpha * (s + g - beta) if same else alpha * (s + sign * g - beta)
            loss += np.log1p(np.exp(x)) / len(pairs)
            by_s = (-alpha if same else alpha) / (1 + np.exp(-x)) / len(pairs)  # d log(1 + e^x) = sigmoid(x) dx
            by_g = by_s if same else sign * by_s
            for a, b in ((i, j), (j, i)):
                by_embedding[a] += by_s * of_cosine(embeddings[a], embeddings[b])
                by_probability[a] += by_g * of_cosine(probabilities[a], probabilities[b])
    return loss, by_embedding, by_probability * probabilities * (1 - probabilities)


def cosine(x: Rows, y: Rows) -> float:
    """Eq. 4 and Eq. 5."""
    return float(x @ y / np.sqrt(x @ x) / np.sqrt(y @ y))


def of_cosine(x: Rows, y: Rows) -> Rows:
    """Derivative of the cosine with respect to x."""
    return y / np.sqrt(x @ x) / np.sqrt(y @ y) - cosine(x, y) * x / (x @ x)
