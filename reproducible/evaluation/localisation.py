"""Does a map or a box find the object? Box IoU, mass inside, the pointing game.

Boxes are x0, y0, x1, y1 in pixel edges. All functions take a batch, and compute on the device of their input.

- box IoU: Everingham et al. 2010 (PASCAL VOC), common area over joint area.
- mass inside: the share of a map's mass that lies on the object; a position of the map stands for its cell, and a cell
  that the object covers in part counts in part. A uniform map has the object's share of the image.
- pointing game: Zhang et al. 2018 ("Top-down neural attention by excitation backprop", IJCV 126, section 4.1): a hit if
  the maximum lies on the object or at most 15 pixels from it, in photographs of some 500 pixels; here 3 % of the side.

Explained on page: object-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE = 0.03  # of the side: 15 pixels of 500


def box_iou(found: Tensor, wanted: Tensor) -> Tensor:
    """Common area over joint area, pair by pair, 0 to 1.

    Args:
        found, wanted: boxes, :math:`(N, 4)`.

    Returns:
        Float, :math:`(N,)`.

    Raises:
        ValueError: for other shapes, or a box without area.
    """
    _check_boxes(found, "found")
    _check_boxes(wanted, "wanted", len(found))
    found, wanted = found.float(), wanted.float()
    low, high = torch.maximum(found[:, :2], wanted[:, :2]), torch.minimum(found[:, 2:], wanted[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=1)
    return common / (_area(found) + _area(wanted) - common)


def box_share(boxes: Tensor, side: int) -> Tensor:
    """Area of boxes as a share of an image of ``side`` pixels, float, :math:`(N,)`."""
    _check_boxes(boxes, "boxes")
    return _area(boxes.float()) / side**2


def box_cells(boxes: Tensor, side: int, height: int, width: int) -> Tensor:
    """How much of each cell of a map the box covers, 0 to 1.

    Args:
        boxes: :math:`(N, 4)` in an image of ``side`` pixels.
        side: of the image.
        height, width: of the map that divides it into cells.

    Returns:
        Float, :math:`(N, height, width)`.
    """
    _check_boxes(boxes, "boxes")
    scaled = boxes.float() / side
    rows = _overlap(scaled[:, 1:2] * height, scaled[:, 3:4] * height, height)
    columns = _overlap(scaled[:, 0:1] * width, scaled[:, 2:3] * width, width)
    return rows[:, 0, :, None] * columns[:, 0, None, :]


def mask_cells(masks: Tensor, height: int, width: int) -> Tensor:
    """How much of each cell of a map the object covers, 0 to 1.

    Args:
        masks: bool, :math:`(N, S, S)`.
        height, width: of the map that divides the image into cells.

    Returns:
        Float, :math:`(N, height, width)`.

    Raises:
        ValueError: for another shape.
    """
    if masks.ndim != 3:
        raise ValueError(f"masks must be (N, H, W), found {tuple(masks.shape)}")
    down, across = (
        _pixels_in_cells(n, cells, masks) for n, cells in zip(masks.shape[1:], (height, width), strict=True)
    )
    return down @ masks.float() @ across.T


def mass_inside(mass: Tensor, cells: Tensor) -> Tensor:
    """The share of a map's mass on the object, 0 to 1.

    Args:
        mass: maps that are nowhere negative, :math:`(N, H, W)`.
        cells: how much of each cell the object covers, of the same shape.

    Returns:
        Float, :math:`(N,)`.

    Raises:
        ValueError: for shapes that differ, or a map that is negative or has no mass.
    """
    if mass.ndim != 3 or mass.shape != cells.shape:
        raise ValueError(f"mass and cells must both be (N, H, W), found {tuple(mass.shape)} and {tuple(cells.shape)}")
    total = mass.sum(dim=(1, 2))
    if bool((mass < 0).any()) or not bool((total > 0).all()):
        raise ValueError("mass must be nowhere negative and have a positive sum in every map")
    return (mass * cells).sum(dim=(1, 2)) / total


def peaks(pictures: Tensor) -> Tensor:
    """Where each map is highest, in pixels: the centre of the pixels that share the maximum.

    Args:
        pictures: :math:`(N, H, W)`.

    Returns:
        x, y, float, :math:`(N, 2)`; NaN for a constant picture, which points nowhere.

    Raises:
        ValueError: for another shape.
    """
    if pictures.ndim != 3:
        raise ValueError(f"pictures must be (N, H, W), found {tuple(pictures.shape)}")
    best = pictures == pictures.amax(dim=(1, 2), keepdim=True)
    count = best.sum(dim=(1, 2))
    y = (best.sum(dim=2) * _centres(pictures.shape[1], best)).sum(dim=1) / count
    x = (best.sum(dim=1) * _centres(pictures.shape[2], best)).sum(dim=1) / count
    nowhere = (count == pictures[0].numel())[:, None]
    return torch.stack([x, y], dim=1).masked_fill(nowhere, torch.nan)


def pointing_hits(points: Tensor, boxes: Tensor, tolerance: float) -> Tensor:
    """Which points lie in their boxes or at most ``tolerance`` pixels from them, bool, :math:`(N,)`.

    Args:
        points: x, y, :math:`(N, 2)`; NaN never hits.
        boxes: :math:`(N, 4)`.
        tolerance: in pixels.

    Raises:
        ValueError: for other shapes, or a box without area.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (N, 2), found {tuple(points.shape)}")
    _check_boxes(boxes, "boxes", len(points))
    outside = torch.maximum(boxes[:, :2] - points, points - boxes[:, 2:]).clamp(min=0)
    return outside.square().sum(dim=1).sqrt() <= tolerance


def _overlap(start: Tensor, end: Tensor, cells: int) -> Tensor:
    """(N, M, cells): length of [start, end), (N, M) in cells, that lies in each cell of length 1."""
    first = torch.arange(cells, device=start.device, dtype=start.dtype)
    return (torch.minimum(end[..., None], first + 1) - torch.maximum(start[..., None], first)).clamp(min=0)


def _pixels_in_cells(pixels: int, cells: int, like: Tensor) -> Tensor:
    """(cells, pixels): the part of each cell that each pixel covers."""
    edges = torch.arange(pixels + 1, device=like.device, dtype=torch.float32) * cells / pixels
    return _overlap(edges[None, :-1], edges[None, 1:], cells)[0].T


def _centres(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device) + 0.5


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)


def _check_boxes(boxes: Tensor, name: str, count: int | None = None) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or count not in (None, len(boxes)):
        wanted = "N" if count is None else count
        raise ValueError(f"{name} must be ({wanted}, 4), found {tuple(boxes.shape)}")
    empty = ~(boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    if bool(empty.any()):
        first = int(empty.nonzero()[0])
        raise ValueError(f"{name}: box {first} has no area: {boxes[first].tolist()}")
