"""What all gates have in common: J factors in parallel for one feature map, and what is done with them.

A gate module is built as ``kind(read, channels, branches, ...)``: channels of the maps that it reads, channels of the
map that its factors multiply, J, and options of its own. It takes maps, :math:`(N, C_{read}, H, W)`, and gives the
factors of its J gates, :math:`(J, N, C, H, W)`, where C, H and W may each be 1: one factor for all of them. Which map
of a network it reads, and which its factors multiply, is said by :class:`reproducible.models.branches.Place`.

Kinds: :class:`~reproducible.attention.channel.ChannelGates` (pooled and unpooled),
:class:`~reproducible.attention.sigmoid.SigmoidGates`, :class:`~reproducible.attention.dictionary.DictionaryGates` and,
as a control, :class:`~reproducible.attention.fixed.FixedGates`. Explained on page: channel-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fold(maps: Tensor, factors: Tensor) -> Tensor:
    """The gated maps with the branches in the batch axis, :math:`(J N, C, H, W)`, branch by branch.

    Args:
        maps: :math:`(N, C, H, W)`.
        factors: of J gates.
    """
    return (maps * factors).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def means(maps: Tensor, factors: Tensor) -> Tensor:
    """Averages over positions of the gated maps, :math:`(J, N, C)`, one branch at a time: no J copies of the maps.

    Args:
        maps: :math:`(N, C, H, W)`.
        factors: of J gates.
    """
    return torch.stack([(maps * of_branch).mean(dim=(2, 3)) for of_branch in factors])
