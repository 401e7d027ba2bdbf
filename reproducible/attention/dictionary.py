r"""A dictionary of attention: at each position the branches share out one map by likeness to J entries (DIABLO 3.1).

With :math:`f_{ij}` the local feature at a position and :math:`d^{(n)}` the entry of branch n, the factors are

.. math::  A^{(n)}_{ij} = \mathrm{softmax}_n\ \alpha \cos(\phi(f_{ij}), d^{(n)})

(Eq. 5 and 7, feature-wise: one for all channels), or with an entry :math:`d^{(n)}_k` for each channel k as well
(Eq. 10 and 11, dimension-wise). Over the entries they sum to one, at each position and for each channel. The document
says neither what alpha is nor how entries start. Entries at random have a cosine of about 0.03 with a feature of 832
channels: at alpha = 1 all branches start with the same factors, at 10 these differ by a third, at 100 one has nearly
all. Explained on page: diablo.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.resources import UserError, nearest_name

PER = ("feature", "dimension")
LIKENESS = ("cosine", "euclidean", "linear")


class DictionaryGates(nn.Module):
    r"""The softmax over entries.

    Args:
        read: m, channels of :math:`\phi(f)`.
        channels: C of the map that is gated.
        branches: N of the document, number of entries.
        per: ``feature``: an entry is a vector, N x m in all; ``dimension``: it has one for each channel, N x C x m.
        alpha: inverse temperature.
        likeness: ``cosine``, the document's; ``euclidean``: minus half the squared distance of :math:`\phi(f)` and the
            entry as they are, which on unit vectors gives the same weights; ``linear``: a product with the entry and a
            bias, both learnt freely, on :math:`\phi(f)` of unit length, which is how NetVLAD assigns (claim B16).
        directions: P vectors of each entry, whose likenesses count by their log-sum-exp: with feature-wise entries a
            control with as many parameters as dimension-wise ones.
        rescale: factors are multiplied by N, so that even ones leave the map as it is.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """

    def __init__(
        self,
        read: int,
        channels: int,
        branches: int,
        per: str = "feature",
        alpha: float = 10.0,
        likeness: str = "cosine",
        directions: int = 1,
        rescale: bool = False,
    ) -> None:
        super().__init__()
        for name, value, known in (("per", per, PER), ("likeness", likeness, LIKENESS)):
            if value not in known:
                said = f"one of {', '.join(known)}, got {value!r}.{nearest_name(value, known)}"
                raise UserError(f"DictionaryGates.{name} must be {said}")
        if not alpha > 0:
            raise UserError(f"DictionaryGates.alpha must be above 0, got {alpha}.")
        if directions < 1:
            raise UserError(f"DictionaryGates.directions must be 1 or more, got {directions}.")
        self.branches, self.alpha, self.likeness = branches, alpha, likeness
        self.directions, self.rescale = directions, rescale
        count = branches * (channels if per == "dimension" else 1) * directions
        self.entries = nn.Parameter(torch.empty(count, read, 1, 1))
        self.bias = nn.Parameter(torch.empty(count)) if likeness == "linear" else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Directions at random, of unit length; biases zero."""
        nn.init.normal_(self.entries)
        with torch.no_grad():
            self.entries.copy_(F.normalize(self.entries, dim=1))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each branch, :math:`(N_{entries}, N, 1, H, W)`, or with C in place of 1 per dimension.

        Args:
            maps: :math:`\\phi(f)`, :math:`(N, m, H, W)`.
        """
        logits = (self.alpha * self._alike(maps)).unflatten(1, (self.branches, -1))
        if self.directions > 1:
            logits = logits.unflatten(2, (-1, self.directions)).logsumexp(dim=3)
        factors = logits.softmax(dim=1).transpose(0, 1)
        return self.branches * factors if self.rescale else factors

    def _alike(self, maps: Tensor) -> Tensor:
        """Likeness of each position to each entry, up to what is the same for all entries, (N, entries, H, W)."""
        if self.likeness == "cosine":
            return F.conv2d(F.normalize(maps, dim=1), F.normalize(self.entries, dim=1))
        if self.likeness == "linear":
            return F.conv2d(F.normalize(maps, dim=1), self.entries, self.bias)
        return F.conv2d(maps, self.entries, -self.entries.square().sum(dim=(1, 2, 3)) / 2)


def hard_assignment(factors: Tensor) -> Tensor:
    """Which entry each position, and each channel where they have entries of their own, is nearest to: 1 for it and 0
    for the others (Eq. 6; of equal ones the first). To look at; it has no gradient.

    Args:
        factors: of :class:`DictionaryGates`, :math:`(N_{entries}, N, C, H, W)`.
    """
    return F.one_hot(factors.argmax(dim=0), len(factors)).movedim(-1, 0).to(factors.dtype)
