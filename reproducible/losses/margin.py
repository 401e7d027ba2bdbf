r"""Margin loss (Wu et al. 2017, Eq. 5; VEM Eq. 2) over sampled or over all pairs.

.. math::  l_{ij} = (\alpha + y_{ij} (D_{ij} - \beta))_+

:math:`D_{ij}` is the Euclidean distance of the normalised embeddings, :math:`y_{ij}` is 1 for a pair of one class and
-1 otherwise. The loss of a batch is the mean over the pairs that cost something. Explained on page: notation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.mining import DistanceWeighted
from reproducible.losses.pairs import Pairs, Triplets, as_pairs, positive_pairs, sides, within_table
from reproducible.resources import UserError, nearest_name

SAMPLINGS = ("distance_weighted", "all")


def margin_loss(
    positive: Tensor, negative: Tensor, alpha: float, beta_positive: Tensor, beta_negative: Tensor
) -> Tensor:
    """The loss of given distances.

    Args:
        positive: distances of the pairs of one class, :math:`(P,)`.
        negative: those of the pairs of two classes, :math:`(M,)`.
        alpha: margin of separation.
        beta_positive, beta_negative: boundary between the two kinds, scalar or one a pair.

    Returns:
        Scalar: sum of the costs over the number of those above 0; 0 if there is none.
    """
    costs = torch.cat([F.relu(alpha + positive - beta_positive), F.relu(alpha - negative + beta_negative)])
    return costs.sum() / (costs > 0).sum().clamp(min=1)


class MarginLoss(nn.Module):
    r"""Margin loss of embeddings and labels; also runs in pytorch-metric-learning's trainers.

    Args:
        alpha: margin of separation. VEM gives no value; 0.2 is that of Wu et al.
        beta: boundary between positive and negative pairs, or where a learnt one starts.
        learn_beta: beta is a parameter of the objective, at the rate of the new layers and without weight decay.
        classes: 0: one beta; else one for each class id below this number, and the anchor's class decides.
        sampling: ``distance_weighted``: one negative for each positive pair, :math:`\alpha + \beta` being the distance
            from which on a negative costs nothing; ``all``: every pair of the batch.

    Raises:
        UserError: for an unknown sampling, with the nearest known one; for a negative number of classes.
    """

    def __init__(
        self,
        alpha: float = 0.2,
        beta: float = 1.2,
        learn_beta: bool = False,
        classes: int = 0,
        sampling: str = "distance_weighted",
    ) -> None:
        super().__init__()
        if sampling not in SAMPLINGS:
            raise UserError(f"There is no sampling named {sampling!r}.{nearest_name(sampling, SAMPLINGS)}")
        if classes < 0:
            raise UserError(f"option 'classes' of loss 'margin' must be 0 (one beta) or more, got {classes}.")
        self.alpha = alpha
        start = torch.full((classes,) if classes else (), beta)
        if learn_beta:
            self.beta = nn.Parameter(start)
        else:
            self.register_buffer("beta", start)
        self.miner = DistanceWeighted(upper=alpha + beta) if sampling == "distance_weighted" else None

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
            indices_tuple: triplets or pairs chosen by a miner; None: as ``sampling``.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

        Raises:
            ValueError: if the shapes do not fit; if nothing is given and there is no positive pair, or no negative one
                to draw; for a label without a beta of its own, where there are several.
        """
        both = sides(embeddings, labels, ref_emb, ref_labels)
        self.check_labels(labels)
        if indices_tuple is None:
            indices_tuple = self.choose(embeddings, labels, ref_emb, ref_labels)
        first, positives, second, negatives = as_pairs(indices_tuple)
        return margin_loss(
            torch.linalg.vector_norm(both.anchors[first] - both.others[positives], dim=1),
            torch.linalg.vector_norm(both.anchors[second] - both.others[negatives], dim=1),
            self.alpha,
            self.boundary(labels[first]),
            self.boundary(labels[second]),
        )

    def check_labels(self, labels: Tensor) -> None:
        """See that each class has a beta, where there is more than one.

        Raises:
            ValueError: for a label that has none.
        """
        if self.beta.ndim:
            has = "loss 'margin' has a beta for each of {}; set its option 'classes' to {}"
            within_table(labels, len(self.beta), has)

    def choose(
        self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None
    ) -> Triplets | Pairs:
        """Triplets drawn by distance, or all pairs, each in both orders; the arguments are those of the loss."""
        if self.miner is not None:
            return self.miner(embeddings, labels, ref_emb, ref_labels)
        negatives = labels[:, None] != (labels if ref_labels is None else ref_labels)
        return *positive_pairs(labels, ref_labels), *negatives.nonzero(as_tuple=True)

    def boundary(self, classes: Tensor) -> Tensor:
        """Beta of the anchors' classes."""
        return self.beta[classes] if self.beta.ndim else self.beta
