r"""Activation decay and what it is made of (DeML section 3.3, Eq. 6; page: the unified baseline).

.. math::

    L_{act} = \frac{\lambda_1}{2 I J N} \sum_{i,j,n} \|CA_{(i,j)}[x_n]\|_2^2 + L_{ntri}, \qquad
    L_{ntri} = \lambda_2 \sum_{i,j} \mathrm{tr}[(w w^T - I) \otimes (w w^T - I)]

:math:`\otimes` is the Hadamard product, so the trace sees the diagonal only and :math:`L_{ntri}` is
:math:`\lambda_2 \sum_r (\|w_r\|^2 - 1)^2`: a penalty on the norms of the rows, which collinear unit rows satisfy.
With a matrix product in its place it would ask for orthogonality; :class:`Orthogonality` is that arm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.resources import UserError
from reproducible.types import Batch, Output


def squared_activation(learners: Sequence[Tensor]) -> Tensor:
    r"""Half the squared norm of the learners' outputs, averaged over images and learners.

    Args:
        learners: outputs before normalisation, each :math:`(N, d_j)`.

    Returns:
        Scalar :math:`\frac{1}{2 I J N} \sum \|x\|^2`, the first term of Eq. 6 without its weight.
    """
    return torch.stack([x.square().sum(dim=1).mean() for x in learners]).mean() / 2


def unit_rows(weights: Sequence[Tensor]) -> Tensor:
    r"""Deviation of the rows from unit norm, :math:`\sum_r (\|w_r\|^2 - 1)^2`, summed over the learners.

    Args:
        weights: weight matrices, each :math:`(d_j, C)`; one that several learners share counts as often as it is given.

    Returns:
        Scalar: the trace of the Hadamard square of :math:`w w^T - I`, computed in O(d C).
    """
    return sum(((w.square().sum(dim=1) - 1).square().sum() for w in weights), start=weights[0].new_zeros(()))


def orthogonality(weights: Sequence[Tensor]) -> Tensor:
    r"""Deviation from orthonormal rows, :math:`\|w w^T - I\|_F^2`, summed over the learners.

    Args:
        weights: weight matrices, each :math:`(d_j, C)`.
    """
    grams = (w @ w.T - torch.eye(len(w), device=w.device, dtype=w.dtype) for w in weights)
    return sum((gram.square().sum() for gram in grams), start=weights[0].new_zeros(()))


class ActivationDecay(nn.Module):
    r"""The activation term of Eq. 6.

    Args:
        weight: :math:`\lambda_1` (0.014 in the document).
        released: as in the released code: divided by the number of channels, twice the document's factor (no 1/2), and
            with the gradient stopped before the trunk, so that only the learners' weights feel it. The released code
            sums over scales; the mean is taken here, as of the metric losses, so that the two weigh the same.
        branches: J; the released form takes the first learner of each scale alone.
    """

    def __init__(self, weight: float = 0.014, released: bool = False, branches: int = 1) -> None:
        super().__init__()
        if branches < 1:
            raise UserError(f"ActivationDecay.branches must be at least 1, got {branches}.")
        self.weight, self.released, self.branches = weight, released, branches

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads ``output.learners``, or ``output.inputs`` and ``output.weights`` in the released form."""
        if not self.released:
            return self.weight * squared_activation(output.learners)
        pairs = zip(output.inputs[:: self.branches], output.weights[:: self.branches], strict=True)
        learners = [F.linear(x.detach(), w) / len(w) ** 0.5 for x, w in pairs]
        return 2 * self.weight * squared_activation(learners)


class UnitRows(nn.Module):
    r""":math:`L_{ntri}` of Eq. 6: keeps the rows of the learners' weights at unit norm.

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


class Orthogonality(nn.Module):
    """The arm that reads the product in Eq. 6 as a matrix product: rows should be orthonormal.

    Args:
        weight: factor of :func:`orthogonality`.
    """

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads ``output.weights``."""
        return self.weight * orthogonality(output.weights)
