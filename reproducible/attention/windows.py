"""Windows of images: squares in fractions, one inside another, cut out of the stored pixels.

Explained on page: grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reproducible.attention.boxes import object_boxes
from reproducible.attention.object import object_map
from reproducible.resampling import resample


def object_window(
    maps: Mapping[str, Tensor], side: int, scale: int, walk: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Where object attention on the maps of a scale lets the next one look; without gradient.

    Args:
        maps: by layer, (N, C, H, W) each.
        side: of the pictures that boxes are found in, in pixels.
        scale: number of the scale, from 1; it names what comes back.
        walk: options of :func:`reproducible.attention.object.object_map`.

    Returns:
        x0, y0, x1, y1 in fractions, (N, 4); and by name the maps of mass (``map_1_4e`` ...) and which images stay whole
        for want of an object (``whole_2``, (N, 1)).

    Raises:
        FloatingPointError: if a map of mass is not finite.
    """
    found = {f"map_{scale}_{layer}": object_map(values.detach(), **walk) for layer, values in maps.items()}
    boxes, whole = object_boxes(list(found.values()), side)
    return boxes / side, found | {f"whole_{scale + 1}": whole.float()[:, None]}


def whole_image(images: Tensor) -> Tensor:
    """The window that is all of an image, x0, y0, x1, y1 in fractions, (N, 4), for images (N, ...)."""
    return images.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(len(images), 4)


def chance(images: Tensor) -> Tensor:
    """(N, 2) from 0 to 1, as good as random, that hang on the image alone: on no batch, order or generator.

    They are read from the means of red and green, so that both are one number where an image is grey.
    """
    return (37 * images.detach().float().mean(dim=(2, 3))[:, :2]) % 1


def placed(place: Tensor, side: Tensor) -> Tensor:
    """Windows of a size at a place: 0 is the left or upper end of what is free, 1 the other.

    Args:
        place: (N, 2), from 0 to 1.
        side: width and height in fractions, (N, 2) or (N, 1).

    Returns:
        x0, y0, x1, y1 in fractions, (N, 4).
    """
    corner = place * (1 - side)
    return torch.cat([corner, corner + side], dim=1)


def inside(window: Tensor, box: Tensor) -> Tensor:
    """A box in fractions of a window as fractions of what the window lies in; (N, 4) each."""
    corner = window[:, :2].repeat(1, 2)
    return corner + box * (window[:, 2:] - window[:, :2]).repeat(1, 2)


def cut(images: Tensor, window: Tensor, size: int) -> Tensor:
    """Windows, (N, 4) in fractions, of images (N, 3, S, S), resized to size x size."""
    return resample(images.permute(0, 2, 3, 1), window * images.shape[2], size)
