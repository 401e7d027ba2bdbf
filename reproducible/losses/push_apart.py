r"""What the released code of DeML has in the adversary's place: the outputs of two learners are pushed apart directly.

.. math::  \sum_{j<j'} \frac{1}{2N} \sum_n \max(0, m - \|a_{jn} - a_{j'n}\|)^2

:math:`a_{jn}` is the L2-normalised output of learner j for image n. On unit vectors a margin of 2 is the diameter of
the sphere, so that the term never switches off. Explained on page: channel-attention.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.branches import branches_of, distances
from reproducible.resources import UserError
from reproducible.types import Batch, Output


def push_apart(scales: Sequence[Tensor], margin: float = 2.0, squares: bool = False) -> Tensor:
    r"""The term on each scale, averaged over scales, as the metric losses are (Eq. 5); the released code sums both.

    Args:
        scales: outputs of the learners of each scale before normalisation, :math:`(J, N, d)` each.
        margin: m.
        squares: :math:`\max(0, m - \|a - b\|^2)` in place of :math:`\max(0, m - \|a - b\|)^2`. At a margin of 1 that is
            half of :func:`reproducible.losses.divergence.divergence`; at a margin of 4 the sum over pairs of 1 + cosine
            (the mean over images).
    """
    apart = [distances(F.normalize(points, dim=2)) for points in scales]
    short = [(margin - d.square()).clamp(min=0) if squares else (margin - d).clamp(min=0).square() for d in apart]
    return torch.stack([s.mean(dim=1).sum() for s in short]).mean() / 2


class PushApart(nn.Module):
    """The term as a loss.

    Args:
        branches: J, at least 2.
        weight: 0.2 in the released network.
        margin, squares: as in :func:`push_apart`.
    """

    def __init__(self, branches: int = 3, weight: float = 0.2, margin: float = 2.0, squares: bool = False) -> None:
        super().__init__()
        if branches < 2:
            raise UserError(f"PushApart.branches must be at least 2 (one learner has no rival), got {branches}.")
        self.branches, self.weight, self.margin, self.squares = branches, weight, margin, squares

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads what the learners of ``output.scales`` have learnt.

        Raises:
            UserError: if a scale has another number of learners.
        """
        scales = branches_of(output)
        for points in scales:
            if len(points) != self.branches:
                raise UserError(f"PushApart.branches is {self.branches}, but a scale of the model has {len(points)}.")
        return self.weight * push_apart(scales, self.margin, self.squares)
