r"""What object attention is compared with: maps of the same features, or of none, without parameters or labels.

No class-activation library is among the dependencies, so Grad-CAM (Selvaraju et al. 2017) is here in closed form, for
the one target that an unlabelled image of an unseen class has: the length of its own pooled embedding. The gradient of
that is the same at every position, so the map is :math:`\max(0, \langle u_a, v / \lVert v \rVert \rangle)` with the
mean :math:`v` of the columns :math:`u_a`. Explained on page: object-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

SPREAD = 0.25  # standard deviation of the centre prior, in sides of the image


def feature_norm(maps: Tensor) -> Tensor:
    """Length of the feature at each position, :math:`(B, H, W)`; sums to one, equal mass where all are zero.

    Args:
        maps: feature maps, :math:`(B, C, H, W)`.
    """
    return _shares(maps.norm(dim=1))


def embedding_activation(maps: Tensor) -> Tensor:
    """Grad-CAM of the length of the pooled embedding, :math:`(B, H, W)`; sums to one, equal mass where all is zero.

    Args:
        maps: feature maps of the stage that is pooled, :math:`(B, C, H, W)`.
    """
    pooled = maps.mean(dim=(2, 3))
    return _shares(torch.einsum("bchw,bc->bhw", maps, pooled).clamp(min=0))


def centre_prior(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """A Gaussian about the middle, :math:`(1, H, W)`, which sums to one: objects are where cameras point."""
    across, down = (((torch.arange(n, device=device) + 0.5) / n - 0.5).square() for n in (width, height))
    return _shares(torch.exp(-(down[:, None] + across[None, :]) / (2 * SPREAD**2))[None])


def moved(boxes: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Boxes of the same size at random places of the image.

    Args:
        boxes: x0, y0, x1, y1 in pixel edges, int64, :math:`(B, 4)`.
        side: of the image.
        generator: of the places, on the CPU.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    chance = torch.rand(size.shape, generator=generator).to(boxes.device)
    corner = (chance * (side - size + 1)).long().minimum(side - size)
    return torch.cat([corner, corner + size], dim=1)


def _shares(values: Tensor) -> Tensor:
    total = values.sum(dim=(1, 2), keepdim=True)
    equal = torch.full_like(values, 1 / values[0].numel())
    return torch.where(total > 0, values / total.masked_fill(total == 0, 1), equal)
