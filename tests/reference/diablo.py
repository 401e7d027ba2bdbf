"""DIABLO Eq. 1 to 13 written out number by number, for one image; with torch's scalars, so that it has gradients.

Maps are lists by row, column and channel, as the document indexes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Feature = Sequence[Tensor]
Map = Sequence[Sequence[Feature]]


def similarity(feature: Feature, entry: Feature) -> Tensor:
    """Eq. 5 and 10."""
    product = sum(a * b for a, b in zip(feature, entry, strict=True))
    lengths = [sum(a * a for a in vector) ** 0.5 for vector in (feature, entry)]
    return product / lengths[0] / lengths[1]


def soft(phi: Feature, entries: Sequence[Feature], alpha: float) -> list[Tensor]:
    """Eq. 7 and 11: the weights of the entries at one position (and for one channel)."""
    powers = [torch.exp(alpha * similarity(phi, entry)) for entry in entries]
    return [power / sum(powers) for power in powers]


def hard(phi: Feature, entries: Sequence[Feature]) -> list[float]:
    """Eq. 6."""
    found = [similarity(phi, entry).item() for entry in entries]
    return [1.0 if n == found.index(max(found)) else 0.0 for n in range(len(found))]


def select(
    phi: Map, dictionary: Sequence[Sequence[Feature]], channels: int, alpha: float
) -> list[list[list[list[Tensor]]]]:
    """The block S: A^(n)_ijk by entry, row, column and channel.

    Args:
        phi: of the map.
        dictionary: by entry, and by channel where it is dimension-wise; else one vector an entry.
        channels: c of the map that is merged.
        alpha: of the softmax.
    """
    found: list[list[list[list[Tensor]]]] = [[] for _ in dictionary]
    for row in phi:
        for maps in found:
            maps.append([])
        for feature in row:
            weights = [soft(feature, [entry[k % len(entry)] for entry in dictionary], alpha) for k in range(channels)]
            for n, maps in enumerate(found):
                maps[-1].append([weights[k][n] for k in range(channels)])
    return found


def merge(maps: Map, attention: Sequence[Map]) -> list[list[list[list[Tensor]]]]:
    """The block M, Eq. 8 and 12: H^(n)_ijk = A^(n)_ijk F_ijk."""
    return [
        [[[a * f for a, f in zip(x, y, strict=True)] for x, y in zip(*rows, strict=True)]
         for rows in zip(of_entry, maps, strict=True)]
        for of_entry in attention
    ]  # fmt: skip


def kronecker(weights: Sequence[Tensor], feature: Feature) -> list[Tensor]:
    """Eq. 9: A_ij (x) F_ij, entry after entry."""
    return [a * f for a in weights for f in feature]


def duplicated(feature: Feature, weights: Sequence[Feature]) -> list[Tensor]:
    """Eq. 13: (F (x) 1_N) . A at one position, entry after entry."""
    copies = [f for _ in weights for f in feature]
    return [f * a for f, a in zip(copies, [a for of_entry in weights for a in of_entry], strict=True)]


def pre(maps: Map, attention: Sequence[Map], psi: Callable[[Map], Map]) -> list[Map]:
    """Eq. 3 and 4: merge, then process."""
    return [psi(gated) for gated in merge(maps, attention)]


def post(maps: Map, attention: Sequence[Map], psi: Callable[[Map], Map]) -> list[Map]:
    """Eq. 1 and 2: process, then merge."""
    return merge(psi(maps), attention)


def pooled(maps: Map) -> list[Tensor]:
    """The mean over positions of each channel."""
    places = [feature for row in maps for feature in row]
    return [sum(feature[k] for feature in places) / len(places) for k in range(len(places[0]))]


def embedded(branches: Sequence[Map], matrices: Sequence[Tensor]) -> list[Tensor]:
    """Section 3.1: pooled, embedded, of unit length each; side by side, of unit length together."""
    found = []
    for maps, matrix in zip(branches, matrices, strict=True):
        means = pooled(maps)
        learnt = [sum(w * x for w, x in zip(row, means, strict=True)) for row in matrix]
        length = sum(x * x for x in learnt) ** 0.5
        found += [x / length / len(branches) ** 0.5 for x in learnt]
    return found
