"""The gates of Kim et al. 2018 (ABE): one factor a channel and position, each by itself between 0 and 1.

They read the map of stages of their own (:class:`reproducible.models.branches.Place`), which all gates share.
Explained on page: channel-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SigmoidGates(nn.Module):
    """A 1x1 convolution with bias for each gate, then the logistic function.

    Args:
        read: channels of the map that they read.
        channels: C of the map that is gated.
        branches: J.
    """

    def __init__(self, read: int, channels: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.excite = nn.Conv2d(read, branches * channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each gate, :math:`(J, N, C, H, W)`, for maps :math:`(N, read, H, W)`."""
        return torch.sigmoid(self.excite(maps).unflatten(1, (self.branches, -1)).transpose(0, 1))
