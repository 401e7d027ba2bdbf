"""Local response normalisation across channels as one differentiable function.

BVLC GoogLeNet normalises after pool1 and after conv2 (Szegedy et al. 2015; Krizhevsky et al. 2012, section 3.3):

    y_c = x_c * s_c ** -0.75,   s_c = k + (alpha / n) * sum of x_j ** 2 over the n channels around c.

Written with plain tensor operations this takes more than half of a training step on a CPU. Here the sum over the
channel window is one 1x1 convolution with a banded matrix, the power is two square roots, and the backward pass is in
closed form:

    dx_c = g_c s_c^-0.75 - 2 * 0.75 * (alpha / n) * x_c * sum_j window(c, j) g_j x_j s_j^-1.75

``tests/unit/backbones/test_lrn.py`` holds it against ``torch.nn.functional.local_response_norm`` in fp64.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _band(channels: int, size: int, like: Tensor) -> Tensor:
    """The banded 0/1 matrix of the channel window as a 1x1 convolution kernel, (C, C, 1, 1)."""
    index = torch.arange(channels, device=like.device)
    near = (index[:, None] - index[None, :]).abs() <= size // 2
    return near.to(like.dtype)[:, :, None, None]


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, k: float) -> Tensor:
        band = _band(x.shape[1], size, x)
        scale = F.conv2d(x * x, band.mul(alpha / size)).add_(k)
        root = scale.rsqrt()
        power = root * root.sqrt()  # scale ** -0.75
        ctx.save_for_backward(x, scale, power, band)
        ctx.factor = 1.5 * alpha / size
        return x * power

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        x, scale, power, band = ctx.saved_tensors
        through = grad * power
        spread = F.conv2d(through * x / scale, band.mul(ctx.factor))
        return through.sub_(spread.mul_(x)), None, None, None


def local_response_norm(x: Tensor, size: int = 5, alpha: float = 1e-4, k: float = 1.0) -> Tensor:
    """Normalise each channel by its neighbours, with the exponent 0.75 of GoogLeNet.

    Args:
        x: activations, :math:`(N, C, H, W)`, floating point.
        size: number of channels in the window, odd.
        alpha: scale of the summed squares; divided by ``size`` as in Caffe and torch.
        k: additive constant.

    Returns:
        Tensor of the shape of ``x``. Under autocast the computation runs in the dtype of ``x`` itself.

    Raises:
        ValueError: if ``size`` is even or ``x`` is not 4-dimensional.
    """
    if size % 2 == 0 or x.ndim != 4:
        raise ValueError(
            f"local_response_norm needs an odd size and (N, C, H, W) input, got {size} and {tuple(x.shape)}"
        )
    with torch.autocast(x.device.type, enabled=False):
        return _LocalResponseNorm.apply(x, size, alpha, k)


class LocalResponseNorm(nn.Module):
    """Module form of :func:`local_response_norm`."""

    def __init__(self, size: int = 5, alpha: float = 1e-4, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.k = size, alpha, k

    def forward(self, x: Tensor) -> Tensor:
        return local_response_norm(x, self.size, self.alpha, self.k)
