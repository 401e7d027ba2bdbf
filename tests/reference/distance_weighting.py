"""Distance-weighted sampling and the margin loss as Wu et al. 2017 write them, in loops over Python's own numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Euclidean distance of the two vectors brought to length 1."""
    norms = [math.sqrt(math.fsum(x * x for x in vector)) for vector in (one, other)]
    return math.sqrt(math.fsum((x / norms[0] - y / norms[1]) ** 2 for x, y in zip(one, other, strict=True)))


def log_density(d: float, dim: int) -> float:
    """log q(D) up to a constant: distances between random points of the unit sphere in ``dim`` dimensions."""
    return (dim - 2) * math.log(d) + (dim - 3) / 2 * math.log(1 - d * d / 4)


def negatives(
    embeddings: Sequence[Sequence[float]], labels: Sequence[int], anchor: int, lower: float = 0.5, upper: float = 1.4
) -> list[float]:
    """Probability of each image as the negative of one anchor."""
    dim = len(embeddings[0])
    logs: dict[int, float] = {}
    others = [j for j, label in enumerate(labels) if label != labels[anchor]]
    for j in others:
        d = max(distance(embeddings[anchor], embeddings[j]), lower)
        if d < upper:
            logs[j] = -log_density(d, dim)
    if not logs:
        return [1 / len(others) if j in others else 0.0 for j in range(len(labels))]
    top = max(logs.values())
    total = math.fsum(math.exp(value - top) for value in logs.values())
    return [math.exp(logs[j] - top) / total if j in logs else 0.0 for j in range(len(labels))]


def margin(
    embeddings: Sequence[Sequence[float]],
    positives: Iterable[tuple[int, int]],
    negatives: Iterable[tuple[int, int]],
    alpha: float,
    betas: Sequence[float],
) -> float:
    """Mean cost of the pairs that cost something; ``betas`` by image."""
    costs = [max(0.0, alpha + distance(embeddings[i], embeddings[j]) - betas[i]) for i, j in positives]
    costs += [max(0.0, alpha - distance(embeddings[i], embeddings[j]) + betas[i]) for i, j in negatives]
    active = [cost for cost in costs if cost > 0]
    return math.fsum(active) / max(1, len(active))
