r"""Squeeze and excitation: a gate of channels that depends on the image (Hu et al. 2018; DeML section 3.2).

.. math::  g = \sigma(W_2\, \delta(W_1\, \Psi(U)))

:math:`\Psi` is average pooling over positions, :math:`\delta` the ReLU; no biases, as both documents write it.
Explained on page: notation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """The gate of each channel of each image.

    Args:
        channels: C.
        bottleneck: rows of :math:`W_1`.
    """

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, bottleneck, bias=False)
        self.excite = nn.Linear(bottleneck, channels, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """The gate, :math:`(N, C)`, from 0 to 1, of maps :math:`(N, C, \\ldots)` or pooled features :math:`(N, C)`."""
        pooled = values.flatten(2).mean(dim=2) if values.ndim > 2 else values
        return torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))
