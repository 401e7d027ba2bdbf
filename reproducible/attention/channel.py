r"""Channel attention: J gates in parallel on one feature map (DeML section 3.2).

The document's gate squeezes the map :math:`U` to its channel means and excites each channel:
:math:`U \odot \sigma[W^2 \delta(W^1 \Psi(U))]`, one factor a channel. The released code leaves the pooling out: two
1x1 convolutions with biases make one factor a channel *and position*, an attention map of its own for each channel.
Both are the same two layers here, on the pooled map or on the map itself; all J gates are computed at once.
Explained on page: channel-attention.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelGates(nn.Module):
    """J gates side by side.

    Args:
        read: channels of the map that they read.
        channels: C of the map that is gated.
        branches: J.
        hidden: width between the two layers (64 in the document, for 480 channels).
        pooled: the document's gate, on the pooled map and without biases; False: the released code's, unpooled and
            with biases.
        gain: of the initial weights; the smaller, the nearer to 1/2 all factors start.
    """

    def __init__(
        self, read: int, channels: int, branches: int, hidden: int = 64, pooled: bool = True, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.branches, self.pooled, self.gain = branches, pooled, gain
        self.squeeze = nn.Parameter(torch.empty(branches * hidden, read, 1, 1))
        self.excite = nn.Parameter(torch.empty(branches * channels, hidden, 1, 1))
        self.squeeze_bias = self.excite_bias = None
        if not pooled:
            self.squeeze_bias = nn.Parameter(torch.empty(branches * hidden))
            self.excite_bias = nn.Parameter(torch.empty(branches * channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier's uniform rule for each gate by itself, biases zero."""
        for weight in (self.squeeze, self.excite):
            for gate in weight.chunk(self.branches):
                nn.init.xavier_uniform_(gate, self.gain)
        for bias in (self.squeeze_bias, self.excite_bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each gate, between 0 and 1.

        Args:
            maps: :math:`(N, read, H, W)`.

        Returns:
            :math:`(J, N, C, 1, 1)` where pooled, else :math:`(J, N, C, H, W)`.
        """
        x = maps.mean(dim=(2, 3), keepdim=True) if self.pooled else maps
        x = F.relu(F.conv2d(x, self.squeeze, self.squeeze_bias))
        x = F.conv2d(x, self.excite, self.excite_bias, groups=self.branches)
        return torch.sigmoid(x.unflatten(1, (self.branches, -1)).transpose(0, 1))
