r"""Contrastive loss over the pairs of a batch, in the form of DIABLO's first author and in that of ABE.

On cosines, as in the code of HORDE (Jacob et al. 2019) that DIABLO's training follows, with a mean over the negative
pairs that cost something:

.. math::  \frac{1}{2 |P|} \sum_{P} (1 - s)^2 + \frac{1}{2 |\{s > \beta\}|} \sum_{M} \max(0, s - \beta)

On squared distances of unit vectors, as ABE writes it (Kim et al. 2018), over as many negative pairs as positive ones
in the document and with a mean over either kind here:

.. math::  \frac{1}{2 |P|} \sum_{P} D^2 + \frac{1}{2 |M|} \sum_{M} \max(0, m - D^2)

:math:`P` are the pairs of one class and :math:`M` those of two. A squared distance is :math:`2 - 2 s`, so that m = 1 is
a cosine of 1/2. Explained on page: three-losses-and-abe.
"""

from __future__ import annotations

from torch import Tensor, nn

from reproducible.losses.pairs import Pairs, Triplets, mean_of, pair_similarities
from reproducible.resources import UserError, nearest_name

FORMS = ("cosine", "distance")


def contrastive_of_cosines(positive: Tensor, negative: Tensor, beta: float = 0.5) -> Tensor:
    """The loss of given pair similarities, as DIABLO's first author computes it.

    Args:
        positive: cosine similarities of the pairs of one class, :math:`(P,)`; may be empty.
        negative: those of the pairs of two classes, :math:`(M,)`; may be empty.
        beta: cosine from which on a negative pair costs something.
    """
    excess = (negative - beta).clamp(min=0)
    return (mean_of((1 - positive).square()) + excess.sum() / (excess > 0).sum().clamp(min=1)) / 2


def contrastive_of_distances(positive: Tensor, negative: Tensor, margin: float = 1.0) -> Tensor:
    """The loss of given pair similarities, as ABE writes it.

    Args:
        positive, negative: as of :func:`contrastive_of_cosines`.
        margin: m, squared distance below which a negative pair costs something.
    """
    short = (margin - 2 + 2 * negative).clamp(min=0)
    return (mean_of(2 - 2 * positive) + mean_of(short)) / 2


class Contrastive(nn.Module):
    """Contrastive loss of embeddings and labels; also runs in pytorch-metric-learning's trainers.

    Args:
        form: ``cosine`` or ``distance``.
        beta: of the first form.
        margin: of the second.

    Raises:
        UserError: for another form, with the nearest one.
    """

    def __init__(self, form: str = "cosine", beta: float = 0.5, margin: float = 1.0) -> None:
        super().__init__()
        if form not in FORMS:
            known = ", ".join(FORMS)
            raise UserError(f"Contrastive.form must be one of {known}, got {form!r}.{nearest_name(form, FORMS)}")
        self.form, self.beta, self.margin = form, beta, margin

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
            indices_tuple: triplets or pairs chosen by a miner; None: all unordered pairs.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

        Raises:
            ValueError: if the shapes do not fit; if no pairs are given and there is no positive one.
        """
        positive, negative = pair_similarities(embeddings, labels, indices_tuple, ref_emb, ref_labels)
        if self.form == "cosine":
            return contrastive_of_cosines(positive, negative, self.beta)
        return contrastive_of_distances(positive, negative, self.margin)
