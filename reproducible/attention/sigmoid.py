"""The gates of Kim et al. 2018 (ABE): one factor a channel and position, each by itself between 0 and 1.

They read the map of stages of their own (:class:`reproducible.models.branches.Place`), which all gates share.
Explained on page: channel-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Glorot(nn.Conv2d):
    """A 1x1 convolution of several side by side, each of which starts uniform between plus and minus the square root of
    6 / (channels in + channels out), with biases of zero.

    Args:
        read: channels in.
        channels: channels out, of all.
        blocks: number of convolutions.
    """

    def __init__(self, read: int, channels: int, blocks: int) -> None:
        self.blocks = blocks
        super().__init__(read, channels, 1)

    def reset_parameters(self) -> None:
        for block in self.weight.chunk(self.blocks):
            nn.init.xavier_uniform_(block)
        nn.init.zeros_(self.bias)


class SigmoidGates(nn.Module):
    """A 1x1 convolution with bias for each gate, then the logistic function.

    Args:
        read: channels of the map that they read.
        channels: C of the map that is gated.
        branches: J.
        glorot: each gate starts by the rule of Glorot and Bengio, without a bias, as ABE's new layers do; else as torch
            starts a convolution.
    """

    def __init__(self, read: int, channels: int, branches: int, glorot: bool = False) -> None:
        super().__init__()
        self.branches = branches
        self.excite = Glorot(read, branches * channels, branches) if glorot else nn.Conv2d(read, branches * channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each gate, :math:`(J, N, C, H, W)`, for maps :math:`(N, read, H, W)`."""
        return torch.sigmoid(self.excite(maps).unflatten(1, (self.branches, -1)).transpose(0, 1))
