r"""Divergence of the learners of an attention-based ensemble (Kim et al. 2018, ABE).

.. math::  \sum_{j<j'} \frac{1}{N} \sum_n \max(0, m - \|a_{jn} - a_{j'n}\|^2)

:math:`a_{jn}` is the L2-normalised output of learner j for image n; with m = 1 a pair costs something from a cosine of
1/2 on. The document sums the metric losses of its J learners, whose mean is taken here (DeML Eq. 5): its weight of 1 is
a weight of 1/J here. Its batch of images counts as a mean, as in its metric loss.

The port of ABE in HORDE's repository, by the first author of DIABLO, compares each image with *all* images of the
batch: the term is then :math:`\max(0, m - \|a_{jn} - a_{j'n'}\|^2)` over ordered pairs of learners and all n and n',
averaged over those that cost something. In its units, cosines above 1/2 at a weight of 1/2, the weight here is 1/4.
Explained on page: channel-attention.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.branches import branches_of, pairs_of_branches
from reproducible.resources import UserError, nearest_name
from reproducible.types import Batch, Output

IMAGES = ("same", "all")


def divergence(scales: Sequence[Tensor], margin: float = 1.0) -> Tensor:
    """The document's term, averaged over scales.

    Args:
        scales: outputs of the learners of each scale before normalisation, :math:`(J, N, d)` each.
        margin: m.
    """
    found = []
    for points in scales:
        one, other = pairs_of_branches(F.normalize(points, dim=2))
        short = (margin - (one - other).square().sum(dim=2)).clamp(min=0)
        found.append(short.mean(dim=1).sum())
    return torch.stack(found).mean()


def divergence_of_all(scales: Sequence[Tensor], margin: float = 1.0) -> Tensor:
    """The port's term over all pairs of images, averaged over scales; the arguments are those of :func:`divergence`.

    Takes :math:`(J N)^2` cosines a scale.
    """
    found = []
    for points in scales:
        unit = F.normalize(points, dim=2)
        cosine = torch.einsum("jnd,kmd->jknm", unit, unit)
        rivals = ~torch.eye(len(points), dtype=torch.bool, device=points.device)
        costs = (margin - 2 + 2 * cosine[rivals]).clamp(min=0)
        found.append(costs.sum() / (costs > 0).sum().clamp(min=1))
    return torch.stack(found).mean()


class Divergence(nn.Module):
    """The term as a loss.

    Args:
        margin: m.
        images: ``same``, the document's, or ``all``, the port's.

    Raises:
        UserError: for another word, with the nearest one.
    """

    def __init__(self, margin: float = 1.0, images: str = "same") -> None:
        super().__init__()
        if images not in IMAGES:
            known = ", ".join(IMAGES)
            raise UserError(f"Divergence.images must be one of {known}, got {images!r}.{nearest_name(images, IMAGES)}")
        self.margin, self.term = margin, divergence if images == "same" else divergence_of_all

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads what the learners of ``output.scales`` have learnt.

        Raises:
            UserError: if a scale has one learner alone.
        """
        scales = branches_of(output)
        if any(len(points) < 2 for points in scales):
            raise UserError("Divergence needs a model with two learners or more a scale.")
        return self.term(scales, self.margin)
