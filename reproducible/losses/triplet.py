r"""Triplet loss on cosines, a mean over the triplets that cost something (DIABLO section 3.5: margin 0.1).

.. math::  \max(0, s_{an} - s_{ap} + m)

:math:`s_{ap}` is the cosine of an anchor with an image of its class, :math:`s_{an}` that with one of another. All
triplets of the batch count, none is mined. Explained on page: three-losses-and-abe.
"""

from __future__ import annotations

from torch import Tensor, nn

from reproducible.losses.pairs import Pairs, Triplets, positive_pairs, products, sides


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


def all_triplets(labels: Tensor, classes: Tensor | None = None) -> Triplets:
    """Anchors, positives and negatives of every triplet of a batch, int64, (T,) each; the arguments are those of
    :func:`reproducible.losses.pairs.positive_pairs`.

    Raises:
        ValueError: if the batch has no positive pair.
    """
    anchors, positives = positive_pairs(labels, classes)
    pair, negatives = (labels[anchors][:, None] != (labels if classes is None else classes)).nonzero(as_tuple=True)
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

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Triplets | Pairs | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: any scale, :math:`(N, d)`.
            labels: int64, :math:`(N,)`.
            indices_tuple: triplets or pairs chosen by a miner; None: all triplets.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

        Raises:
            ValueError: if the shapes do not fit; if nothing is given and there is no positive pair.
        """
        both = sides(embeddings, labels, ref_emb, ref_labels)
        chosen = indices_tuple
        if chosen is None:
            chosen = all_triplets(labels, None if both.own else both.classes)
        anchors, positives, negatives = joined(chosen) if len(chosen) == 4 else chosen
        similarity = products(both.anchors, both.others)
        return triplet_loss(similarity[anchors, positives], similarity[anchors, negatives], self.margin)
