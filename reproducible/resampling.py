"""Crop, scale and flip of a whole batch on the device of the images.

Resizing is linear in the pixels, so one image is ``Wy @ image @ Wx.T`` with one matrix a direction. The rows of a
matrix are the triangle filter of Pillow's ``Image.resize(BILINEAR, box=...)``: widened by the scale when it shrinks
(antialiasing), centred on the output pixel, cut off at the border of the image (not of the box), normalised to sum 1.
A flip reverses the rows of Wx and costs nothing. Explained on page: protocol.
"""

from __future__ import annotations

import torch
from torch import Tensor


def crop_resize(
    images: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None, black_outside: bool = False
) -> Tensor:
    """Cuts one box out of each image and resizes it to size x size, antialiased bilinear, in fp32.

    Args:
        images: (B, H, W, 3) uint8 or float, values 0 to 255, as a store holds them, on any device.
        boxes: (B, 4) x0, y0, x1, y1 in pixel edges of the images: 0 <= x0 < x1 <= W, 0 <= y0 < y1 <= H.
        size: side of the result in pixels.
        flip: (B,) bool, True mirrors left and right.
        black_outside: boxes may leave their images: a pixel whose centre is outside is 0, any other as if the image had
            been resized first and put on a black ground then.

    Returns:
        (B, 3, size, size) float32 in 0 to 255, channels last, on the device of ``images``.

    Raises:
        ValueError: shapes that do not fit; size below 1; a box that is empty or leaves its image.
    """
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"images must be (B, H, W, 3), found {tuple(images.shape)}")
    batch, height, width, _ = images.shape
    if boxes.shape != (batch, 4):
        raise ValueError(f"boxes must be ({batch}, 4) for {batch} images, found {tuple(boxes.shape)}")
    if flip is not None and flip.shape != (batch,):
        raise ValueError(f"flip must be ({batch},) for {batch} images, found {tuple(flip.shape)}")
    if size < 1:
        raise ValueError(f"size must be at least 1, found {size}")
    if not black_outside:
        _check_boxes(boxes, height, width)
    return resample(images, boxes, size, flip, black_outside)


def resample(
    images: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None, black_outside: bool = False
) -> Tensor:
    """:func:`crop_resize` for boxes that are known to fit: nothing is read back from the device."""
    batch, height, width, _ = images.shape
    with torch.autocast(images.device.type, enabled=False):
        boxes = boxes.to(images.device, torch.float32)
        rows = _triangle_weights(boxes[:, 1], boxes[:, 3], size, height, black_outside)
        columns = _triangle_weights(boxes[:, 0], boxes[:, 2], size, width, black_outside)
        if flip is not None:
            columns = torch.where(flip.to(images.device)[:, None, None], columns.flip(1), columns)
        # Two products over contiguous operands: columns and channels of a row at once, then channel by channel.
        scaled = torch.bmm(rows, images.to(torch.float32).reshape(batch, height, width * 3))
        planes = scaled.view(batch, size, width, 3).permute(0, 3, 1, 2).reshape(batch, 3 * size, width)
        result = torch.bmm(planes, columns.transpose(1, 2)).view(batch, 3, size, size)
        return result.contiguous(memory_format=torch.channels_last)


def _check_boxes(boxes: Tensor, height: int, width: int) -> None:
    x0, y0, x1, y1 = boxes.unbind(1)
    good = (x0 >= 0) & (x0 < x1) & (x1 <= width) & (y0 >= 0) & (y0 < y1) & (y1 <= height)
    if not bool(good.all()):
        first = int((~good).nonzero()[0])
        raise ValueError(f"box {first} is empty or leaves its image of {width} x {height}: {boxes[first].tolist()}")


def _triangle_weights(start: Tensor, end: Tensor, size: int, side: int, black_outside: bool) -> Tensor:
    """(B, size, side): how much each of ``side`` pixels counts for each of ``size`` output pixels of [start, end)."""
    scale = ((end - start) / size)[:, None, None]
    steps = torch.arange(size, device=start.device, dtype=torch.float32)[None, :, None]
    pixels = torch.arange(side, device=start.device, dtype=torch.float32)[None, None, :]
    centre = start[:, None, None] + (steps + 0.5) * scale
    weights = (1 - (pixels + 0.5 - centre).abs() / scale.clamp(min=1)).clamp(min=0)
    if black_outside:
        weights = weights / weights.sum(2, keepdim=True).clamp(min=1e-6)
        return weights * ((centre > 0) & (centre < side))
    return weights / weights.sum(2, keepdim=True)
