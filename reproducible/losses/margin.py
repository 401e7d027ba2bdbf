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
from reproducible.losses.pairs import Pairs, Triplets, as_pairs, check_batch, positive_pairs
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

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: Triplets | Pairs | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: any scale, :math:`(N, d)`.
            labels: int64, :math:`(N,)`.
            indices_tuple: triplets or pairs chosen by a miner; None: as ``sampling``.

        Raises:
            ValueError: if the shapes do not fit; if there is no positive pair, or no negative one to draw.
        """
        embeddings = check_batch(embeddings, labels)
        first, positives, second, negatives = as_pairs(indices_tuple or self.choose(embeddings, labels))
        unit = F.normalize(embeddings, dim=1)
        return margin_loss(
            torch.linalg.vector_norm(unit[first] - unit[positives], dim=1),
            torch.linalg.vector_norm(unit[second] - unit[negatives], dim=1),
            self.alpha,
            self.boundary(labels[first]),
            self.boundary(labels[second]),
        )

    def choose(self, embeddings: Tensor, labels: Tensor) -> Triplets | Pairs:
        """Triplets drawn by distance, or all pairs, each in both orders."""
        if self.miner is not None:
            return self.miner(embeddings, labels)
        return *positive_pairs(labels), *(labels[:, None] != labels).nonzero(as_tuple=True)

    def boundary(self, classes: Tensor) -> Tensor:
        """Beta of the anchors' classes."""
        return self.beta[classes] if self.beta.ndim else self.beta
