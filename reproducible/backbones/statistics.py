"""Batch normalisation whose statistics are frozen, whoever made the layer.

A frozen layer normalises with the stored mean and variance in training as well, and they never change; scale and shift
train. The map of an image then does not depend on what else is in the batch, so that the whole image and a crop of it,
two arms, and training and evaluation all see the same network.
"""

from __future__ import annotations

from functools import cache

from torch import nn


class _Frozen:
    """Mixed into a layer's class: the layer stays in evaluation mode."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)  # type: ignore[misc]


@cache
def _frozen(kind: type[nn.Module]) -> type[nn.Module]:
    return type(f"Frozen{kind.__name__}", (_Frozen, kind), {})


def freeze_statistics(network: nn.Module) -> None:
    """Freeze the statistics of every batch normalisation in ``network``.

    The switch lies in the layer, not in the trunk, so that it holds in heads, tails and copies of them too. Parameters,
    buffers and their names stay as they are.
    """
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and not isinstance(part, _Frozen):
            part.__class__ = _frozen(type(part))
            part.eval()
