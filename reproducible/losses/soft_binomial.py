r"""Soft binomial deviance: pairs judged by their attributes as well (SGML section III.C, Eq. 5 to 8; page: sgml).

.. math::

    L = \frac{1}{M} \sum_{pos} \log(1 + e^{-\alpha (s + g - \beta)})
      + \frac{1}{N} \sum_{neg} \log(1 + e^{+\alpha (s - g - \beta)})

s is the cosine of two embeddings, g the cosine of two vectors of attribute probabilities (Eq. 5), which lies between 0
and 1. So a positive pair costs log 2 at a cosine of :math:`\beta - g`, a negative one at :math:`\beta + g`: this is
:func:`~reproducible.losses.binomial_deviance.binomial_deviance` of s + g and s - g, without the factor :math:`C_y` that
Eq. 3 gives the negative pairs (gamma of 1; another one is a control). Both terms fall where g rises, so a gradient that
passes through g pushes all attribute vectors together. The document does not say whether it passes; here it does not,
unless asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from reproducible.losses.binomial_deviance import binomial_deviance
from reproducible.losses.pairs import Pairs, Triplets, mean_of, pair_similarities
from reproducible.resources import UserError, nearest_name
from reproducible.types import at_least_fp32

SIMILARITIES = ("predicted", "true", "shuffled", "mean", "constant")


def soft_binomial_deviance(
    positive: Tensor,
    negative: Tensor,
    positive_g: Tensor,
    negative_g: Tensor,
    alpha: float = 2.0,
    beta: float = 0.5,
    gamma: float = 1.0,
) -> Tensor:
    """The loss of given pair similarities (Eq. 6 to 8).

    Args:
        positive: cosines of the embeddings of the pairs of one class, :math:`(P,)`, P at least 1.
        negative: those of the pairs of two classes, :math:`(M,)`; may be empty.
        positive_g, negative_g: similarity in the space of attributes of the same pairs, 0 to 1, :math:`(P,)` and
            :math:`(M,)`.
        alpha: slope (2 on In-Shop, 3 on CUB).
        beta: translation (0.5 on In-Shop, 0.1 on CUB).
        gamma: factor of the negative pairs inside the exponent, :math:`C_y` of Eq. 3; Eq. 8 has none.

    Returns:
        Scalar: mean over the positive pairs plus mean over the negative pairs.

    Example:
        >>> import torch
        >>> s, g = torch.tensor([0.2]), torch.tensor([0.3])
        >>> round(soft_binomial_deviance(s, s + 0.6, g, g).item(), 4)  # at beta - g and at beta + g: log 2 each
        1.3863
    """
    return binomial_deviance(positive + positive_g, negative - negative_g, alpha, beta, gamma)


class Chosen(NamedTuple):
    """The pairs of a batch that count: as of :func:`reproducible.losses.pairs.pair_similarities`, without rows."""

    labels: Tensor
    indices: Triplets | Pairs | None
    ref_labels: Tensor | None

    def similarities(self, rows: Tensor, ref_rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Cosines of rows of any kind, of the positive pairs and of the negative ones."""
        return pair_similarities(rows, self.labels, self.indices, ref_rows, self.ref_labels)


class SoftBinomialDeviance(nn.Module):
    r"""Soft binomial deviance of embeddings and labels; also runs in pytorch-metric-learning's trainers.

    Args:
        alpha, beta, gamma: as in :func:`soft_binomial_deviance`.
        similarity: where g comes from: ``predicted`` attributes; or as controls ``true`` ones; ``shuffled``: the
            predicted g of another pair of the same kind (positive or negative), drawn anew in every batch, so that each
            kind keeps its values of g and no pair its own; ``mean``: for all pairs of a batch the mean of their
            predicted g, for which each kind counts as much as the other, so that what is left of g is two thresholds,
            :math:`\beta - g` and :math:`\beta + g`; ``constant``: the same for all pairs of all batches.
        constant: that number, 0 to 1.
        attached: whether the gradient passes through a predicted g.
        flipped: a negative pair costs more, not less, where g is larger: :math:`s + g - \beta` in Eq. 8, too.
        logits: how many of the last columns of the embeddings are attribute logits, where they come in one matrix (from
            a trainer of pytorch-metric-learning, which passes on a single one); 0: they come by themselves.

    Raises:
        UserError: for an unknown similarity, with the nearest known one; for a constant outside 0 to 1.
    """

    by_attributes = True
    """An objective passes on logits and truth, too."""

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 0.5,
        similarity: str = "predicted",
        constant: float = 0.0,
        attached: bool = False,
        flipped: bool = False,
        logits: int = 0,
        gamma: float = 1.0,
    ) -> None:
        super().__init__()
        if similarity not in SIMILARITIES:
            raise UserError(
                f"SoftBinomialDeviance.similarity must be one of {', '.join(SIMILARITIES)}, got {similarity!r}."
                f"{nearest_name(similarity, SIMILARITIES)}"
            )
        if not 0 <= constant <= 1:
            raise UserError(f"SoftBinomialDeviance.constant must be 0 to 1, got {constant}.")
        self.alpha, self.beta, self.similarity, self.constant = alpha, beta, similarity, constant
        self.attached, self.flipped, self.logits, self.gamma = attached, flipped, logits, gamma

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Triplets | Pairs | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
        logits: Tensor | None = None,
        truth: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: any scale, :math:`(N, d)`; with the option ``logits``, :math:`(N, d + K)`.
            labels: int64, :math:`(N,)`.
            indices_tuple: triplets or pairs chosen by a sampler or a miner; None: all unordered pairs.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`; they have attributes only with
                the option ``logits``, as columns of their own.
            logits: of the attributes, :math:`(N, K)`, where g is predicted.
            truth: the attributes, 0 or 1, :math:`(N, K)`, where g is the true one.

        Raises:
            UserError: if what g comes from is not there.
            ValueError: if no pairs are given and there is no positive one.
        """
        (embeddings, logits), (ref_emb, ref_logits) = self._apart(embeddings, logits), self._apart(ref_emb)
        pairs = Chosen(labels, indices_tuple, ref_labels)
        positive, negative = pairs.similarities(embeddings, ref_emb)
        positive_g, negative_g = self._granularity(positive, negative, pairs, (logits, ref_logits), truth)
        if self.flipped:
            negative_g = -negative_g
        options = self.alpha, self.beta, self.gamma
        return soft_binomial_deviance(positive, negative, positive_g, negative_g, *options)

    def _apart(self, rows: Tensor | None, logits: Tensor | None = None) -> tuple[Tensor | None, Tensor | None]:
        """Embeddings and logits, where they come as the columns of one matrix."""
        return (
            (rows[:, : -self.logits], rows[:, -self.logits :]) if self.logits and rows is not None else (rows, logits)
        )

    def _probabilities(self, logits: Tensor | None) -> Tensor | None:
        return None if logits is None else at_least_fp32(logits if self.attached else logits.detach()).sigmoid()

    def _granularity(
        self,
        positive: Tensor,
        negative: Tensor,
        pairs: Chosen,
        logits: tuple[Tensor | None, Tensor | None],
        truth: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """g of the pairs whose cosines are ``positive`` and ``negative``; ``logits`` are of the batch and of what it is
        compared with."""
        if self.similarity == "constant":
            return torch.full_like(positive, self.constant), torch.full_like(negative, self.constant)
        if pairs.ref_labels is not None and (self.similarity == "true" or logits[1] is None):
            raise UserError(
                f"soft_binomial with similarity {self.similarity!r} knows no attributes of images of earlier batches "
                "(ref_emb); put the logits behind the embeddings, and their number into the option 'logits'."
            )
        if self.similarity == "true":
            if truth is None:
                raise UserError("soft_binomial with similarity 'true' needs a data set with attributes.")
            return pairs.similarities(truth.to(positive.dtype))
        if logits[0] is None:
            raise UserError(
                f"soft_binomial with similarity {self.similarity!r} needs a model with an attribute branch."
            )
        of_positive, of_negative = pairs.similarities(*map(self._probabilities, logits))
        if self.similarity == "shuffled":
            return _permuted(of_positive), _permuted(of_negative)
        if self.similarity == "mean":
            kinds = [kind for kind in (of_positive, of_negative) if len(kind)]
            mean = torch.stack([mean_of(kind) for kind in kinds or (of_positive,)]).mean()
            return mean.expand_as(of_positive), mean.expand_as(of_negative)
        return of_positive, of_negative


def _permuted(values: Tensor) -> Tensor:
    """The values in a random order, from torch's generator of their device."""
    return values[torch.randperm(len(values), device=values.device)]
