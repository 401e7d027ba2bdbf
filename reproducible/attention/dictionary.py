r"""A dictionary of attention: at each position the branches share out one map by likeness to J entries (DIABLO 3.1).

With :math:`f_{ij}` the local feature at a position and :math:`d^{(n)}` the entry of branch n, the factors are

.. math::  A^{(n)}_{ij} = \mathrm{softmax}_n\ \alpha \cos(\phi(f_{ij}), d^{(n)})

(Eq. 5 and 7, feature-wise: one for all channels), or with an entry :math:`d^{(n)}_k` for each channel k as well
(Eq. 10 and 11, dimension-wise). Over the entries they sum to one, at each position and for each channel. The document
says neither what alpha is nor how entries start. Entries at random have a cosine of about 0.03 with a feature of 832
channels: at alpha = 1 all branches start with the same factors, at 10 these differ by a third, at 100 one has nearly
all. Explained on page: notation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.resources import UserError, nearest_name

PER = ("feature", "dimension")


class DictionaryGates(nn.Module):
    r"""The softmax over entries.

    Args:
        read: m, channels of :math:`\phi(f)`.
        channels: C of the map that is gated.
        branches: N of the document, number of entries.
        per: ``feature``: an entry is a vector, N x m in all; ``dimension``: it has one for each channel, N x C x m.
        alpha: inverse temperature.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """

    def __init__(self, read: int, channels: int, branches: int, per: str = "feature", alpha: float = 10.0) -> None:
        super().__init__()
        if per not in PER:
            known = ", ".join(PER)
            raise UserError(f"DictionaryGates.per must be one of {known}, got {per!r}.{nearest_name(per, PER)}")
        if not alpha > 0:
            raise UserError(f"DictionaryGates.alpha must be above 0, got {alpha}.")
        self.branches, self.alpha = branches, alpha
        self.entries = nn.Parameter(torch.empty(branches * (channels if per == "dimension" else 1), read, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Directions at random, of unit length."""
        nn.init.normal_(self.entries)
        with torch.no_grad():
            self.entries.copy_(F.normalize(self.entries, dim=1))

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each branch, :math:`(N_{entries}, N, 1, H, W)`, or with C in place of 1 per dimension.

        Args:
            maps: :math:`\\phi(f)`, :math:`(N, m, H, W)`.
        """
        cosine = F.conv2d(F.normalize(maps, dim=1), F.normalize(self.entries, dim=1))
        return (self.alpha * cosine.unflatten(1, (self.branches, -1))).softmax(dim=1).transpose(0, 1)
