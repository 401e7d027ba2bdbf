"""The pretrained network as it is: what training has to improve on, stage by stage. Explained on page: protocol."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.backbones.base import Backbone
from reproducible.types import Output, Scale, at_least_fp32


class Untouched(nn.Module):
    """Trunk and global average pooling of some of its stages; nothing new, so nothing to train.

    Args:
        backbone: the trunk.
        stages: whose pooled maps are features, by their names; the embedding is that of the last stage of the trunk.
    """

    def __init__(self, backbone: Backbone, stages: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.backbone = backbone
        for stage in stages:
            backbone.index(stage)
        self.wanted = tuple(dict.fromkeys((*stages, backbone.last)))

    def forward(self, images: Tensor) -> Output:
        """Embed images, RGB, 0 to 255, float, :math:`(N, 3, H, W)`."""
        maps = self.backbone(images, collect=self.wanted)
        features = {stage: at_least_fp32(maps[stage]).mean(dim=(2, 3)) for stage in self.wanted}
        last = features[self.backbone.last]
        return Output(F.normalize(last, dim=1), (Scale((last,)),), features=features)
