"""U_d: the unified baseline, one d-dimensional metric on the pooled features (DeML section 4, "Notation")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.backbones.base import Backbone
from reproducible.resources import UserError
from reproducible.types import Output, Scale, at_least_fp32


class Learner(nn.Linear):
    """A linear embedding without bias that starts with orthonormal rows, where L_ntri of DeML Eq. 6 is zero."""

    def __init__(self, channels: int, dim: int) -> None:
        if dim < 1:
            raise UserError(f"An embedding must have at least 1 dimension, got {dim}: change the model's option 'dim'.")
        super().__init__(channels, dim, bias=False)

    def reset_parameters(self) -> None:
        nn.init.orthogonal_(self.weight)


class Unified(nn.Module):
    """Trunk, global average pooling, one linear learner.

    Args:
        backbone: the trunk.
        dim: d, size of the embedding.
    """

    def __init__(self, backbone: Backbone, dim: int = 512) -> None:
        super().__init__()
        self.backbone = backbone
        self.learner = Learner(backbone.channels[backbone.last], dim)

    def forward(self, images: Tensor) -> Output:
        """Embed images, RGB, 0 to 255, float, :math:`(N, 3, H, W)`."""
        maps = self.backbone(images)[self.backbone.last]
        with torch.autocast(images.device.type, enabled=False):
            pooled = at_least_fp32(maps).mean(dim=(2, 3))  # (N, C)
            learned = self.learner(pooled)  # (N, d)
            embedding = F.normalize(learned, dim=1)
        return Output(
            embedding=embedding,
            scales=(Scale((learned,), (pooled,), (self.learner.weight,)),),
            features={"emb": learned, "conv": pooled},
        )
