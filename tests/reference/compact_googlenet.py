"""The compact network layer by layer from its raw tensors: the literal oracle of ``reproducible.backbones.compact``.

Every convolution apart, batch normalisation as its formula; sizes are written out rather than derived.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

# 1x1; 3x3 reduction; 5x5 reduction: the rows of the kernel that the three share, in this order
REDUCTIONS = {
    "3a": (16, 24, 4),
    "3b": (32, 32, 8),
    "4a": (48, 24, 4),
    "4b": (40, 28, 8),
    "4e": (64, 40, 8),
    "5b": (96, 48, 12),
}


def conv(x: Tensor, tensors: Mapping[str, Tensor], name: str, rows: slice = slice(None), stride: int = 1) -> Tensor:
    """Some channels of a convolution, normalised with the stored statistics, and the rectifier."""
    kernel = tensors[f"{name}.0.weight"].to(x.dtype)[rows]
    scale, shift, mean, variance = (
        tensors[f"{name}.1.{kind}"].to(x.dtype)[rows].view(1, -1, 1, 1)
        for kind in ("weight", "bias", "running_mean", "running_var")
    )
    y = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
    return ((y - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)


def max_pool(x: Tensor, stride: int) -> Tensor:
    """3x3, a pixel of padding that never wins."""
    padded = F.pad(x, (1, 1, 1, 1), value=float("-inf"))
    return padded.unfold(2, 3, stride).unfold(3, 3, stride).amax(dim=(4, 5))


def inception(x: Tensor, tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """One block, every 1x1 convolution by itself."""
    one, three, five = REDUCTIONS[name]
    reduce = f"stages.{name}.reduce"
    return torch.cat(
        [
            conv(x, tensors, reduce, slice(0, one)),
            conv(conv(x, tensors, reduce, slice(one, one + three)), tensors, f"stages.{name}.three"),
            conv(conv(x, tensors, reduce, slice(one + three, one + three + five)), tensors, f"stages.{name}.five"),
            conv(max_pool(x, 1), tensors, f"stages.{name}.project"),
        ],
        dim=1,
    )


def maps(images: Tensor, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Maps by stage of images, RGB, 0 to 255, (N, 3, H, W), in their dtype."""
    found = {"conv1": conv((images - 127.5) / 63.75, tensors, "stages.conv1", stride=2)}
    found["pool1"] = max_pool(found["conv1"], 2)
    found["conv2"] = conv(found["pool1"], tensors, "stages.conv2")
    found["3a"] = inception(found["conv2"], tensors, "3a")
    found["3b"] = inception(found["3a"], tensors, "3b")
    found["pool3"] = max_pool(found["3b"], 2)
    found["4a"] = inception(found["pool3"], tensors, "4a")
    found["4b"] = inception(found["4a"], tensors, "4b")
    found["4e"] = inception(found["4b"], tensors, "4e")
    found["pool4"] = max_pool(found["4e"], 1)
    found["5b"] = inception(found["pool4"], tensors, "5b")
    return found
