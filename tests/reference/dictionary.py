"""DIABLO Eq. 5 to 11 written out entry by entry, position by position, channel by channel."""

from __future__ import annotations

import math


def attention(
    features: list[list[list[float]]], entries: list[list[list[float]]], alpha: float
) -> list[list[list[list[float]]]]:
    """Weights of each entry on one image.

    Args:
        features: phi(f) by row and column, m numbers each.
        entries: d^(n)_k by entry n and channel k, m numbers each; one channel where entries are feature-wise.
        alpha: inverse temperature.

    Returns:
        A^(n)_kij by entry n, channel k, row i and column j.
    """
    rows, columns, channels = len(features), len(features[0]), len(entries[0])
    found = [[[[0.0] * columns for _ in range(rows)] for _ in range(channels)] for _ in entries]
    for i in range(rows):
        for j in range(columns):
            for k in range(channels):
                likeness = [math.exp(alpha * cosine(features[i][j], entry[k])) for entry in entries]
                for n, value in enumerate(likeness):
                    found[n][k][i][j] = value / sum(likeness)
    return found


def cosine(a: list[float], b: list[float]) -> float:
    """Cosine of two vectors."""
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))
