"""Where the windows of a batch lie and which images are mirrored; :func:`crop_resize` cuts them out.

Explained on page: protocol.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reproducible.resampling import crop_resize

__all__ = ["center_boxes", "crop_resize", "object_squares", "random_boxes", "random_flips"]


def center_boxes(n: int, side: int, fraction: float) -> Tensor:
    """The central square of ``fraction`` of the side for each of n images: (n, 4) float32, x0, y0, x1, y1.

    The square's side is a whole number of pixels, as in :func:`random_boxes`; its corner may lie on a half.
    """
    window = _window(side, fraction)
    start = (side - window) / 2
    return torch.tensor([start, start, start + window, start + window], dtype=torch.float32).expand(n, 4)


def random_boxes(n: int, side: int, fraction: float, generator: torch.Generator) -> Tensor:
    """A square of ``fraction`` of the side at a uniformly drawn whole pixel in each of n images: (n, 4) float32.

    Args:
        n: number of boxes.
        side: side of the images in pixels.
        fraction: side of the square over ``side``, in (0, 1]; rounded to whole pixels.
        generator: source of randomness, on the CPU.
    """
    window = _window(side, fraction)
    corners = torch.randint(0, side - window + 1, (n, 2), generator=generator)
    return torch.cat([corners, corners + window], dim=1).to(torch.float32)


def object_squares(boxes: Tensor, side: int, fraction: float) -> Tensor:
    """Squares about objects: the central window of ``fraction`` of each is the least square about the object.

    A square that would leave the image is moved into it, one that is larger is the image.

    Args:
        boxes: x0, y0, x1, y1 of the objects in pixels, (n, 4).
        side: side of the images in pixels.
        fraction: in (0, 1].

    Returns:
        (n, 4) float32, x0, y0, x1, y1.
    """
    low, high = boxes.float().split(2, dim=1)
    size = ((high - low).amax(dim=1, keepdim=True) / fraction).clamp(max=side)
    corner = ((low + high - size) / 2).clamp(min=0).minimum(side - size)
    return torch.cat([corner, corner + size], dim=1)


def squares_in_windows(boxes: Tensor, windows: Tensor, flip: Tensor | None = None) -> Tensor:
    """The least square about each object, as far as its window shows it.

    A square that would leave the window is moved into it; a window that shows nothing of its object is the square.

    Args:
        boxes: x0, y0, x1, y1 of the objects in pixels, (n, 4).
        windows: of the images, likewise.
        flip: (n,) bool, which windows are mirrored left and right.

    Returns:
        (n, 4) float32, x0, y0, x1, y1 in fractions of the window.
    """
    corner, size = windows[:, :2].repeat(1, 2), (windows[:, 2:] - windows[:, :2]).repeat(1, 2)
    seen = ((boxes.float() - corner) / size).clamp(0, 1)
    if flip is not None:
        mirrored = torch.stack([1 - seen[:, 2], seen[:, 1], 1 - seen[:, 0], seen[:, 3]], dim=1)
        seen = torch.where(flip[:, None], mirrored, seen)
    gone = (seen[:, 2:] <= seen[:, :2]).any(dim=1, keepdim=True)
    return torch.where(gone, seen.new_tensor([0.0, 0.0, 1.0, 1.0]), object_squares(seen, 1, 1.0))


def random_flips(n: int, generator: torch.Generator) -> Tensor:
    """(n,) bool, each True with probability one half; ``generator`` on the CPU."""
    return torch.randint(0, 2, (n,), generator=generator).bool()


def _window(side: int, fraction: float) -> int:
    if not (0 < fraction <= 1 and round(fraction * side) >= 1):
        raise ValueError(f"fraction must be in (0, 1] and leave at least a pixel of {side}, found {fraction}")
    return round(fraction * side)
