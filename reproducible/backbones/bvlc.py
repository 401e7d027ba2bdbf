"""BVLC GoogLeNet: the network that DeML, DIABLO, ABE and BIER start from.

Szegedy et al. 2015 as trained by BVLC in Caffe ("bvlc_googlenet"): local response normalisation and no batch
normalisation, biases everywhere, 3x3 max pools with stride 2 that round up, a real 5x5 branch, input BGR 0 to 255
minus (104, 117, 123). The auxiliary heads, the dropout and the classifier are left out. torchvision's ``googlenet``
is another network (batch normalisation, 3x3 for 5x5, trained differently), and state dicts do not interchange.

The weights that ship with the package are rounded to half precision; the option ``weights`` reads the fp32 form, from
Caffe's own ``bvlc_googlenet.caffemodel`` or from an ``.npz`` with its names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reproducible.backbones.base import Backbone
from reproducible.backbones.lrn import LocalResponseNorm
from reproducible.backbones.weights import chosen, fitted, read_tensors
from reproducible.resources import checked_asset

# input; 1x1; 3x3 reduction, 3x3; 5x5 reduction, 5x5; projection behind the pool (Szegedy et al. 2015, table 1)
INCEPTION = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2), nn.ReLU(inplace=True))


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class Inception(nn.Module):
    """Four branches side by side: 1x1, 3x3, 5x5 and a 3x3 max pool with projection."""

    def __init__(self, cin: int, one: int, reduce3: int, three: int, reduce5: int, five: int, project: int) -> None:
        super().__init__()
        self.one = _conv(cin, one, 1)
        self.three = nn.Sequential(_conv(cin, reduce3, 1), _conv(reduce3, three, 3))
        self.five = nn.Sequential(_conv(cin, reduce5, 1), _conv(reduce5, five, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(cin, project, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


class BVLCGoogLeNet(Backbone):
    """The trunk, conv1 to 5b: 5,973,552 parameters, stride 32, 1,024 channels.

    Args:
        pretrained: start from the ImageNet weights that ship with the package.
        weights: start from this file instead (``.caffemodel``, ``.npz``, ...), as in
            :func:`reproducible.backbones.weights.chosen`.
    """

    def __init__(self, pretrained: bool = True, weights: str = "") -> None:
        conv2 = nn.Sequential(*_conv(64, 64, 1), *_conv(64, 192, 3), LocalResponseNorm())
        stages: dict[str, nn.Module] = {
            "conv1": _conv(3, 64, 7, 2),
            "pool1": nn.Sequential(_pool(), LocalResponseNorm()),
            "conv2": conv2,
            "pool2": _pool(),
        }
        channels = {"conv1": 64, "pool1": 64, "conv2": 192, "pool2": 192}
        for name, sizes in INCEPTION.items():
            stages[name] = Inception(*sizes)
            channels[name] = sizes[1] + sizes[3] + sizes[5] + sizes[6]
            if name in ("3b", "4e"):
                pool = "pool3" if name == "3b" else "pool4"
                stages[pool], channels[pool] = _pool(), channels[name]
        super().__init__(stages, channels, mean=(104.0, 117.0, 123.0), bgr=True)
        if weights:
            self.source = chosen(weights)
            self.load_caffe(read_tensors(self.source), str(self.source))
        elif pretrained:
            self.load_caffe(load_file(checked_asset("bvlc_googlenet.safetensors")), "bvlc_googlenet.safetensors")

    def load_caffe(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Load tensors under Caffe's names (``inception_3a_3x3_reduce_w``), widened to fp32.

        Raises:
            UserError: if a tensor is missing or has another shape; names the tensor and ``source``.
        """
        names = {_caffe_name(ours): ours for ours, _ in self.named_parameters()}
        wanted = {name: self.get_parameter(ours) for name, ours in names.items()}
        self.load_state_dict({names[name]: tensor for name, tensor in fitted(wanted, tensors, source).items()})


def _caffe_name(ours: str) -> str:
    """``stages.3a.three.0.0.weight`` to ``inception_3a_3x3_reduce_w``."""
    _, stage, *path, kind = ours.split(".")
    suffix = {"weight": "w", "bias": "b"}[kind]
    if stage == "conv1":
        return f"conv1_7x7_s2_{suffix}"
    if stage == "conv2":
        return f"conv2_3x3_{'reduce_' if path[0] == '0' else ''}{suffix}"
    branch = {"one": "1x1", "three": "3x3", "five": "5x5", "pool": "pool_proj"}[path[0]]
    reduce = "_reduce" if path[0] in ("three", "five") and path[1] == "0" else ""
    return f"inception_{stage}_{branch}{reduce}_{suffix}"
