"""What object attention is compared with: maps of the same features, or of none, without parameters or labels.

Explained on page: object-attention.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

SPREAD = 0.25  # standard deviation of the centre prior, in sides of the image


def feature_norm(maps: Tensor) -> Tensor:
    """Length of the feature at each position, :math:`(B, H, W)`; sums to one, equal mass where all are zero.

    Args:
        maps: feature maps, :math:`(B, C, H, W)`.
    """
    return _shares(maps.norm(dim=1))


def embedding_activation(maps: Tensor) -> Tensor:
    r"""Grad-CAM of the length of the pooled embedding, :math:`(B, H, W)`; sums to one, equal mass where all is zero.

    An unlabelled image of an unseen class has no class score; the length of its own pooled embedding is the target that
    it has. Captum computes the map (Selvaraju et al. 2017, Eq. 1 and 2), which is
    :math:`\max(0, \langle u_a, v \rangle)` with the mean :math:`v` of the columns :math:`u_a`, up to a factor.

    Args:
        maps: feature maps of the stage that is pooled, :math:`(B, C, H, W)`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # of bars in notebooks, which are not used
        from captum.attr import LayerGradCam

    stage = nn.Identity()

    def length(given: Tensor) -> Tensor:
        return stage(given).mean(dim=(2, 3)).norm(dim=1)

    seen = maps.detach().requires_grad_()
    return _shares(LayerGradCam(length, stage).attribute(seen, relu_attributions=True)[:, 0].detach())


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
