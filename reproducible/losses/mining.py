r"""Distance-weighted sampling of negatives (Wu et al. 2017, section 4; VEM section IV.B).

Distances between random points of the unit sphere in d dimensions have the density

.. math::  q(D) \propto D^{d-2} (1 - D^2/4)^{(d-3)/2}

and gather around :math:`\sqrt 2`. A negative drawn with weight :math:`1/q(D)` may have any distance instead. Distances
below ``lower`` count as ``lower``, which bounds the weights; negatives from ``upper`` on are not drawn, since they cost
nothing in the margin loss. An anchor all of whose negatives lie there draws uniformly. Explained on page: notation.

Each anchor's weights are scaled by their own largest one. The authors' code and pytorch-metric-learning scale by the
largest of the batch: where d is large, an anchor with far negatives alone then underflows to zero, and draws uniformly
in the one and is left out by the other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproducible.losses.pairs import Triplets, positive_pairs, products, sides


def sampling_probabilities(
    embeddings: Tensor,
    labels: Tensor,
    lower: float = 0.5,
    upper: float = 1.4,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Probability of each image as the negative of each anchor.

    Args:
        embeddings: any scale, :math:`(N, d)`.
        labels: at least two classes, :math:`(N,)`.
        lower: distances below it count as it.
        upper: negatives at this distance or further are not drawn, unless an anchor has no others.
        ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

    Returns:
        In fp32 at least, :math:`(N, N)`, or :math:`(N, M)`; each row, an anchor's, sums to 1; it is NaN for an anchor
        that has no negative at all.
    """
    both = sides(embeddings, labels, ref_emb, ref_labels)
    cosines = products(both.anchors, both.others)
    tiny = torch.finfo(cosines.dtype).tiny  # in place of a distance of 0, whose weight would be infinite
    squared = (2 - 2 * cosines).clamp(min=max(lower**2, tiny))
    rest = (1 - squared / 4).clamp(min=tiny)
    dim = embeddings.shape[1]
    log_weights = ((2 - dim) * squared.log() - (dim - 3) * rest.log()) / 2  # log 1/q
    negative = labels[:, None] != both.classes
    near = negative & (squared < upper**2)
    empty = ~near.any(dim=1, keepdim=True)
    log_weights = torch.where(empty, 0, log_weights)
    return log_weights.masked_fill(~torch.where(empty, negative, near), -torch.inf).softmax(dim=1)


def draw(probabilities: Tensor, count: int) -> Tensor:
    """Independent draws from each row, by inversion of its distribution function, on the device of the rows.

    Args:
        probabilities: :math:`(R, C)`, 0 or more; each row is scaled to sum to 1.
        count: draws a row.

    Returns:
        Columns, int64, (R, count), always from 0 to C - 1. One of probability 0 is never drawn; of a row that is not
        finite, any.
    """
    cumulative = probabilities.double().cumsum(dim=1)
    total = cumulative[:, -1:]
    chance = torch.rand(len(probabilities), count, dtype=torch.float64, device=probabilities.device) * total
    drawn = torch.searchsorted(cumulative, chance.minimum(total.nextafter(torch.zeros_like(total))), right=True)
    return drawn.clamp(max=probabilities.shape[1] - 1)


class DistanceWeighted(nn.Module):
    """A miner, also for pytorch-metric-learning's losses and trainers: a negative for each positive pair.

    Draws from torch's generator of the device.

    Args:
        lower, upper: as in :func:`sampling_probabilities`.
    """

    def __init__(self, lower: float = 0.5, upper: float = 1.4) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    @torch.no_grad()
    def forward(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None
    ) -> Triplets:
        """Anchors, positives and negatives; each pair of one class occurs in both orders. The anchors index the batch,
        the others what it is compared with.

        Args:
            embeddings: any scale, :math:`(N, d)`.
            labels: int64, :math:`(N,)`.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

        Raises:
            ValueError: if the shapes do not fit, or there is no positive or no negative pair.
        """
        both = sides(embeddings, labels, ref_emb, ref_labels)
        anchors, positives = positive_pairs(labels, None if both.own else both.classes)
        able = (labels[:, None] != both.classes).any(dim=1)[anchors]  # only of a memory may it be some of them
        if not able.any():
            raise ValueError(f"the batch has no negative pair: {len(labels)} images of one class")
        others = (ref_emb, ref_labels)
        drawn = draw(sampling_probabilities(embeddings, labels, self.lower, self.upper, *others), len(both.classes))
        return anchors[able], positives[able], drawn[anchors, positives][able]
