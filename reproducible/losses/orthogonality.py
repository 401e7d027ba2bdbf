r"""The product in DeML's :math:`L_{ntri}` (Eq. 6) read as a matrix product: rows should be orthonormal.

Eq. 6 prints a Hadamard product, which sees norms only (:mod:`reproducible.losses.unit_rows`). Explained on page:
baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reproducible.losses.pairs import products
from reproducible.types import Batch, Output, at_least_fp32


def orthogonality(weights: Sequence[Tensor]) -> Tensor:
    r"""Deviation from orthonormal rows, :math:`\|w w^T - I\|_F^2`, summed over the learners.

    Args:
        weights: weight matrices, each :math:`(d_j, C)`.
    """
    wide = [at_least_fp32(w) for w in weights]
    grams = (products(w, w) - torch.eye(len(w), device=w.device, dtype=w.dtype) for w in wide)
    return sum((gram.square().sum() for gram in grams), start=wide[0].new_zeros(()))


class Orthogonality(nn.Module):
    """The arm of that reading.

    Args:
        weight: factor of :func:`orthogonality`.
    """

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads ``output.weights``."""
        return self.weight * orthogonality(output.weights)
