"""SGML: one shared layer behind the trunk, an embedding and an attribute branch behind it (SGML section III.A, Fig. 3).

The document retrieves with the features of three layers (Tables II and VI) and gives the sizes 2048, 1024 and 512, but
says nothing of what lies between them. Here the shared layer ends in a ReLU, and both branches are linear.
Explained on page: sgml.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.backbones.base import Backbone
from reproducible.models.unified import Learner
from reproducible.resources import UserError, nearest_name
from reproducible.types import Output, Scale, at_least_fp32

LAYERS = ("emb", "fc", "conv")


class SGML(nn.Module):
    """Trunk, global average pooling, shared layer, two branches.

    All three layers are features of the output: ``conv``, the pooled last map of the trunk; ``fc``, the shared layer;
    ``emb``, the embedding branch.

    Args:
        backbone: the trunk.
        dim: size of the embedding branch.
        hidden: size of the shared layer.
        attributes: K, size of the attribute branch; as many as the data set has (312 of birds).
        relu: whether the shared layer ends in a ReLU.
        learnt: the layer that the metric loss is applied to: ``emb``, as in the document, ``fc`` or ``conv``, where
            nothing trains the embedding branch.
        searched: the layer that retrieval compares and validation selects by; empty: the one that is learnt.

    Raises:
        UserError: for an unknown layer, with the nearest known one.
    """

    def __init__(
        self,
        backbone: Backbone,
        dim: int = 512,
        hidden: int = 1024,
        attributes: int = 312,
        relu: bool = True,
        learnt: str = "emb",
        searched: str = "",
    ) -> None:
        super().__init__()
        for option, layer in (("learnt", learnt), ("searched", searched or learnt)):
            if layer not in LAYERS:
                raise UserError(f"option {option!r} of model 'sgml' cannot be {layer!r}.{nearest_name(layer, LAYERS)}")
        self.backbone = backbone
        self.shared = nn.Linear(backbone.channels[backbone.last], hidden)
        self.learner = Learner(hidden, dim)
        self.attribution = nn.Linear(hidden, attributes)
        self.relu, self.learnt, self.searched = relu, learnt, searched or learnt

    def forward(self, images: Tensor) -> Output:
        """Embed images, RGB, 0 to 255, float, :math:`(N, 3, H, W)`."""
        maps = self.backbone(images)[self.backbone.last]
        with torch.autocast(images.device.type, enabled=False):
            pooled = at_least_fp32(maps).mean(dim=(2, 3))  # (N, C)
            shared = self.shared(pooled)  # (N, hidden)
            if self.relu:
                shared = F.relu(shared)
            features = {"emb": self.learner(shared), "fc": shared, "conv": pooled}
            embedding = F.normalize(features[self.searched], dim=1)
            logits = self.attribution(shared)  # (N, K)
        linear = ((shared,), (self.learner.weight,)) if self.learnt == "emb" else ()
        scale = Scale((features[self.learnt],), *linear)
        return Output(embedding, scales=(scale,), features=features, attributes=logits)
