r""":math:`L_{ntri}` of DeML Eq. 6: keeps the rows of the learners' weights at unit norm (page: the unified baseline).

.. math::  L_{ntri} = \lambda_2 \sum_{i,j} \mathrm{tr}[(w w^T - I) \otimes (w w^T - I)]

:math:`\otimes` is the Hadamard product, so the trace sees the diagonal only and :math:`L_{ntri}` is
:math:`\lambda_2 \sum_r (\|w_r\|^2 - 1)^2`: a penalty on the norms of the rows, which collinear unit rows satisfy.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from reproducible.types import Batch, Output, at_least_fp32


def unit_rows(weights: Sequence[Tensor]) -> Tensor:
    r"""Deviation of the rows from unit norm, :math:`\sum_r (\|w_r\|^2 - 1)^2`, summed over the learners.

    Args:
        weights: weight matrices, each :math:`(d_j, C)`; one that several learners share counts as often as it is given.

    Returns:
        Scalar: the trace of the Hadamard square of :math:`w w^T - I`, computed in O(d C).
    """
    wide = [at_least_fp32(w) for w in weights]
    return sum(((w.square().sum(dim=1) - 1).square().sum() for w in wide), start=wide[0].new_zeros(()))


class UnitRows(nn.Module):
    r"""The penalty as a loss.

    The sum is over learners, as in Eq. 6, not over matrices: one that J learners share counts J times, so that
    DeML(1, 8) weighs its only matrix by :math:`8 \lambda_2`. The released code counts it once; arms in its form divide
    their weight by J for that.

    Args:
        weight: :math:`\lambda_2` (0.25 in the document; 0.5/56 in the released DeML; 0.25/512 for U512, commented out).
    """

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads ``output.weights``."""
        return self.weight * unit_rows(output.weights)
