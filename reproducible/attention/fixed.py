"""Gates that do not look: what J views of one map are worth without any attention (a control of DeML section 3.2).

Explained on page: channel-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FixedGates(nn.Module):
    """J gates of one factor a channel, the same for all images: the logistic function of standard normal numbers, drawn
    once. They do not train, unless ``requires_grad_`` makes them.

    Args:
        read: not used; there is nothing to read.
        channels: C of the map that is gated.
        branches: J.
    """

    def __init__(self, read: int, channels: int, branches: int) -> None:
        super().__init__()
        self.drawn = nn.Parameter(torch.empty(branches, channels, 1, 1), requires_grad=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.drawn)

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each gate, :math:`(J, N, C, 1, 1)`, for N maps."""
        return torch.sigmoid(self.drawn)[:, None].expand(-1, len(maps), -1, -1, -1)
