r"""Triplet loss on cosines, a mean over the triplets that cost something (DIABLO section 3.5: margin 0.1).

.. math::  \max(0, s_{an} - s_{ap} + m)

:math:`s_{ap}` is the cosine of an anchor with an image of its class, :math:`s_{an}` that with one of another. All
triplets of the batch count, none is mined. Explained on page: three-losses-and-abe.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.pairs import Pairs, Triplets, check_batch, positive_pairs


def triplet_loss(positive: Tensor, negative: Tensor, margin: float = 0.1) -> Tensor:
    """The loss of given similarities.

    Args:
        positive: cosine of each triplet's anchor and positive, :math:`(T,)`.
        negative: that of its anchor and negative, :math:`(T,)`.
        margin: m.

    Returns:
        Scalar: sum of the costs over the number of those above 0; 0 if there is none.
    """
    costs = (negative - positive + margin).clamp(min=0)
    return costs.sum() / (costs > 0).sum().clamp(min=1)


def all_triplets(labels: Tensor) -> Triplets:
    """Anchors, positives and negatives of every triplet of a batch, int64, (T,) each.

    Raises:
        ValueError: if the batch has no positive pair.
    """
    anchors, positives = positive_pairs(labels)
    pair, negatives = (labels[anchors][:, None] != labels).nonzero(as_tuple=True)
    return anchors[pair], positives[pair], negatives


def joined(pairs: Pairs) -> Triplets:
    """Every positive pair with every negative pair of the same anchor, as triplets."""
    first, positives, second, negatives = pairs
    one, other = (first[:, None] == second).nonzero(as_tuple=True)
    return first[one], positives[one], negatives[other]


class TripletLoss(nn.Module):
    """Triplet loss of embeddings and labels; also runs in pytorch-metric-learning's trainers.

    Args:
        margin: m.
    """

    def __init__(self, margin: float = 0.1) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: Triplets | Pairs | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: any scale, :math:`(N, d)`.
            labels: int64, :math:`(N,)`.
            indices_tuple: triplets or pairs chosen by a miner; None: all triplets.

        Raises:
            ValueError: if the shapes do not fit or there is no positive pair.
        """
        unit = F.normalize(check_batch(embeddings, labels), dim=1)
        chosen = all_triplets(labels) if indices_tuple is None else indices_tuple
        anchors, positives, negatives = joined(chosen) if len(chosen) == 4 else chosen
        similarity = torch.mm(unit, unit.T)
        return triplet_loss(similarity[anchors, positives], similarity[anchors, negatives], self.margin)
