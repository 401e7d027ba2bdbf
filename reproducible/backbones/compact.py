"""The compact backbone of the benchmark glyphs: GoogLeNet's stages at a quarter of its width.

Szegedy et al. 2015, table 1, with the stages at which the documents split the network under the names of
:mod:`reproducible.backbones.bvlc`, so that a split means the same in both. What differs, and why:

- every width is a quarter, in multiples of 4; three inception blocks fewer (4c, 4d, 5a) and no 1x1 before conv2;
- batch normalisation behind each convolution instead of biases and local response normalisation: the network is
  trained from scratch in minutes; 3x3 in the branch that is 5x5 in GoogLeNet; the three 1x1 convolutions that read the
  same map are one, which computes the same faster;
- inputs are small (48 x 48), so conv1 is 5x5 with 24 channels, there is no pool2, and pool4 has stride 1: the stride is
  8 in all, and the maps behind pool3 are 6 x 6, where GoogLeNet's at 5b would be 1 x 1. Object attention needs them.

The weights that ship are those that ``reproducible pretrain`` makes, rounded to half precision. Explained on page:
glyphs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from reproducible.backbones.base import Backbone
from reproducible.backbones.bvlc import INCEPTION
from reproducible.backbones.statistics import freeze_statistics
from reproducible.resources import UserError, asset

WIDTH = 0.25
WEIGHTS = "compact_googlenet.safetensors"
_STEM = 24  # channels of conv1; a quarter of GoogLeNet's 64 would be 16
_BLOCKS = ("3a", "3b", "4a", "4b", "4e", "5b")
_COUNTER = "num_batches_tracked"  # of torch's batch normalisation; without effect, and left out of the weights


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


def _narrow(channels: int) -> int:
    return 4 * round(WIDTH * channels / 4)


class Inception(nn.Module):
    """Four branches side by side: 1x1, 3x3, 3x3 for GoogLeNet's 5x5, and a 3x3 max pool with projection.

    Args:
        cin: channels that come in.
        name: of the block in GoogLeNet, whose widths it takes.
    """

    def __init__(self, cin: int, name: str) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, project = (_narrow(width) for width in INCEPTION[name][1:])
        self.sizes = (one, reduce3, reduce5)
        self.reduce = _conv(cin, sum(self.sizes), 1)
        self.three = _conv(reduce3, three, 3)
        self.five = _conv(reduce5, five, 3)
        self.project = _conv(cin, project, 1)
        self.channels = one + three + five + project

    def forward(self, x: Tensor) -> Tensor:
        one, three, five = self.reduce(x).split(self.sizes, dim=1)
        pooled = F.max_pool2d(x, 3, stride=1, padding=1)
        return torch.cat([one, self.three(three), self.five(five), self.project(pooled)], dim=1)


class CompactGoogLeNet(Backbone):
    """The trunk, conv1 to 5b: 228,792 parameters, stride 8, 256 channels; any input of 32 pixels or more.

    Args:
        pretrained: start from the weights that ship with the package.
        batch_statistics: normalise a training batch by its own mean and variance and keep moving averages of them, as
            pretraining does. The default keeps the statistics of pretraining
            (:mod:`reproducible.backbones.statistics`). Scales and shifts train in both cases.
    """

    def __init__(self, pretrained: bool = True, batch_statistics: bool = False) -> None:
        stages: dict[str, nn.Module] = {
            "conv1": _conv(3, _STEM, 5, stride=2),
            "pool1": nn.MaxPool2d(3, stride=2, padding=1),
            "conv2": _conv(_STEM, _narrow(192), 3),
        }
        channels = {"conv1": _STEM, "pool1": _STEM, "conv2": _narrow(192)}
        width = channels["conv2"]
        for name in _BLOCKS:
            stages[name] = block = Inception(width, name)
            channels[name] = width = block.channels
            if name == "3b":
                stages["pool3"], channels["pool3"] = nn.MaxPool2d(3, stride=2, padding=1), width
            elif name == "4e":
                stages["pool4"], channels["pool4"] = nn.MaxPool2d(3, stride=1, padding=1), width
        super().__init__(stages, channels, mean=(127.5, 127.5, 127.5), bgr=False)
        if not batch_statistics:
            freeze_statistics(self)
        if pretrained:
            self.load(load_file(asset(WEIGHTS)), WEIGHTS)

    def preprocess(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), RGB, 0 to 255, to RGB from -2 to 2."""
        return super().preprocess(images) * (2 / 127.5)

    def weights(self) -> dict[str, Tensor]:
        """Kernels, scales, shifts and statistics by name, as the file of weights holds them; shared, not copied."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.endswith(_COUNTER)}

    def load(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Load what :meth:`weights` gives, widened to fp32.

        Raises:
            UserError: if a tensor is missing, surplus or has another shape; names the tensor and ``source``.
        """
        ours = self.weights()
        for name in (*ours, *tensors):
            wanted, found = (tuple(side[name].shape) if name in side else None for side in (ours, tensors))
            if found != wanted:
                raise UserError(f"{source}: tensor {name!r} should have shape {wanted}, found {found}.")
        self.load_state_dict(dict(tensors), strict=False)  # all but the counters
