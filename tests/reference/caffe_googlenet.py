"""Caffe's GoogLeNet layer by layer from its raw tensors: the literal oracle of ``reproducible.backbones.bvlc``.

Written after the deploy prototxt of BVLC: every layer under its own name, pooling and normalisation in explicit loops.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def relu_conv(x: Tensor, tensors: Mapping[str, Tensor], name: str, stride: int = 1, pad: int = 0) -> Tensor:
    """A convolution with bias and the rectifier behind it."""
    w, b = (tensors[f"{name}_{kind}"].to(x.dtype) for kind in "wb")
    return F.conv2d(x, w, b, stride=stride, padding=pad).clamp(min=0)


def max_pool(x: Tensor, kernel: int, stride: int, pad: int = 0) -> Tensor:
    """Caffe's max pooling: sizes round up, and the last window must begin inside the image or the pad before it."""
    sizes = []
    for side in x.shape[2:]:
        out = -((side + 2 * pad - kernel) // -stride) + 1
        if pad and (out - 1) * stride >= side + pad:
            out -= 1
        sizes.append(out)
    ends = [(out - 1) * stride + kernel - side - pad for out, side in zip(sizes, x.shape[2:], strict=True)]
    padded = F.pad(x, (pad, max(ends[1], 0), pad, max(ends[0], 0)), value=float("-inf"))
    largest = torch.full((*x.shape[:2], *sizes), float("-inf"), dtype=x.dtype)
    for i in range(kernel):
        for j in range(kernel):
            window = padded[
                :, :, i : i + (sizes[0] - 1) * stride + 1 : stride, j : j + (sizes[1] - 1) * stride + 1 : stride
            ]
            largest = torch.maximum(largest, window)
    return largest


def lrn(x: Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Caffe's local response normalisation across channels, one channel after the other."""
    channels = []
    for c in range(x.shape[1]):
        around = x[:, max(0, c - size // 2) : c + size // 2 + 1]
        channels.append(x[:, c] / (k + alpha / size * (around**2).sum(dim=1)) ** beta)
    return torch.stack(channels, dim=1)


def inception(x: Tensor, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """One inception block, its branches in Caffe's order of concatenation."""
    one = relu_conv(x, tensors, f"inception_{name}_1x1")
    three = relu_conv(x, tensors, f"inception_{name}_3x3_reduce")
    three = relu_conv(three, tensors, f"inception_{name}_3x3", pad=1)
    five = relu_conv(x, tensors, f"inception_{name}_5x5_reduce")
    five = relu_conv(five, tensors, f"inception_{name}_5x5", pad=2)
    project = relu_conv(max_pool(x, 3, 1, pad=1), tensors, f"inception_{name}_pool_proj")
    return torch.cat([one, three, five, project], dim=1)


def blobs(images: Tensor, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Activations by stage.

    Args:
        images: RGB, 0 to 255, (N, 3, H, W).
        tensors: weights and biases under Caffe's names, widened to the dtype of the images.
    """
    red, green, blue = images.unbind(1)
    x = torch.stack([blue - 104, green - 117, red - 123], dim=1)
    found = {}
    x = found["conv1"] = relu_conv(x, tensors, "conv1_7x7_s2", stride=2, pad=3)
    x = found["pool1"] = lrn(max_pool(x, 3, 2))
    x = relu_conv(x, tensors, "conv2_3x3_reduce")
    x = found["conv2"] = lrn(relu_conv(x, tensors, "conv2_3x3", pad=1))
    x = found["pool2"] = max_pool(x, 3, 2)
    for name in ("3a", "3b"):
        x = found[name] = inception(x, tensors, name)
    x = found["pool3"] = max_pool(x, 3, 2)
    for name in ("4a", "4b", "4c", "4d", "4e"):
        x = found[name] = inception(x, tensors, name)
    x = found["pool4"] = max_pool(x, 3, 2)
    for name in ("5a", "5b"):
        x = found[name] = inception(x, tensors, name)
    return found
