r"""Binomial deviance over the pairs of a batch (DeML section 3.3, Eq. 5; page: the unified baseline).

.. math::  L = \sum_{p<q} \frac{1}{w_{pq}} \log(1 + \exp(-(2 s_{pq} - 1)\, \alpha\, (D_{pq} - \beta)\, \gamma_{pq}))

:math:`D_{pq}` is the cosine similarity (the document calls it a distance), :math:`s_{pq}` is 1 for a pair of one class,
:math:`w_{pq}` the number of positive, respectively negative, pairs of the batch; :math:`\gamma_{pq}` is 1 for positive
pairs and ``gamma`` for negative ones, inside the exponent, so that with 25 or 35 the negative term is close to a hinge.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.mining import DistanceWeighted
from reproducible.losses.pairs import Pairs, Triplets, mean_of, pair_similarities


def binomial_deviance(
    positive: Tensor, negative: Tensor, alpha: float = 2.0, beta: float = 0.5, gamma: float = 25.0
) -> Tensor:
    """The loss of given pair similarities.

    Args:
        positive: cosine similarities of the pairs of one class, :math:`(P,)`; may be empty.
        negative: those of the pairs of two classes, :math:`(M,)`; may be empty.
        alpha: slope.
        beta: cosine at which a pair costs log 2.
        gamma: factor of the negative pairs inside the exponent (35 in DeML, 25 in its released U512 and in DIABLO).

    Returns:
        Scalar: mean over the positive pairs plus mean over the negative pairs; of none 0.

    Example:
        >>> import torch
        >>> half = torch.tensor([0.5])
        >>> round(binomial_deviance(half, half).item(), 4)  # two pairs at log 2 each
        1.3863
    """
    pull = mean_of(F.softplus(-alpha * (positive - beta)))
    push = mean_of(F.softplus(alpha * gamma * (negative - beta)))
    return pull + push


class BinomialDeviance(nn.Module):
    """Binomial deviance of embeddings and labels; also runs in pytorch-metric-learning's trainers.

    Args:
        alpha, beta, gamma: as in :func:`binomial_deviance`.
        mined: only one negative for each positive pair, drawn by distance-weighted sampling, unless pairs are given.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 0.5, gamma: float = 25.0, mined: bool = False) -> None:
        super().__init__()
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        self.miner = DistanceWeighted() if mined else None

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
            indices_tuple: triplets or pairs chosen by a miner; None: all unordered pairs, or those that are mined.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

        Raises:
            ValueError: if no pairs are given and there is no positive one, or none to be mined.
        """
        if indices_tuple is None and self.miner is not None:
            indices_tuple = self.miner(embeddings, labels, ref_emb, ref_labels)
        positive, negative = pair_similarities(embeddings, labels, indices_tuple, ref_emb, ref_labels)
        return binomial_deviance(positive, negative, self.alpha, self.beta, self.gamma)
