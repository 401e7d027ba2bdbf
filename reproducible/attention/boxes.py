"""From object-attention maps to crops: the box rule of DeML's released code (the document has none), batched.

The map, in 256 levels, is resized to the side of the image and cut at its mean; of the outer contours of what lies
above, the one of largest area counts; its bounding rectangle becomes a square of the mean side about the same centre,
clipped to the image. Where there is no such contour (a constant map) the whole image stays.

All arithmetic behind the levels is on integers, so that every device finds the same boxes. Resizing is OpenCV's
bit-exact bilinear rule (INTER_LINEAR_EXACT): the plain one, which the released code calls, rounds differently from
version to version and from machine to machine, by one level. That moves one box in ten, mostly by a pixel or two in
160. Maps of several layers are resized each and added.

An outer contour is found from runs, the stretches of equal pixels in each row: regions (8-connected) and the
background between them (4-connected) are joined runs, everything that a region encloses belongs to it, and its area is
OpenCV's: that of the polygon through the centres of the border pixels, not a count of pixels. Whether maps are finite,
how many runs there are, and when they are joined, is read back from the device. Explained on page: object-attention.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.attention.object import grey_levels


def object_boxes(masses: Sequence[Tensor], side: int) -> tuple[Tensor, Tensor]:
    """Boxes around the objects.

    Args:
        masses: object-attention maps of one layer or several, each :math:`(B, H, W)`; the sides may differ.
        side: side of the image in pixels.

    Returns:
        x0, y0, x1, y1 in pixel edges, int64, :math:`(B, 4)`; and which images stay whole for want of an object, bool,
        :math:`(B,)`.

    Raises:
        FloatingPointError: if a map is not finite (naming it), which is a fault and no constant map.
    """
    broken = torch.stack([~mass.isfinite().flatten(1).all(dim=1) for mass in masses])
    if broken.any():
        layer, image = broken.nonzero()[0].tolist()
        raise FloatingPointError(f"object attention's map {layer} of image {image} of the batch holds NaN or infinity")
    picture = sum(resize_levels(grey_levels(mass), side) for mass in masses)
    total = picture.sum(dim=(1, 2), keepdim=True)
    found, area = largest_region(picture > total // side**2)
    nothing = area == 0
    return squares(found, side).masked_fill(nothing[:, None], 0) + _whole(nothing, side), nothing


def _whole(nothing: Tensor, side: int) -> Tensor:
    return nothing[:, None] * torch.tensor([0, 0, side, side], device=nothing.device)


def resize_levels(levels: Tensor, side: int) -> Tensor:
    """Grey levels resized to side x side, bit for bit as OpenCV's INTER_LINEAR_EXACT.

    Args:
        levels: integers from 0 to 255, :math:`(B, H, W)`.
        side: of the result.

    Returns:
        int32, :math:`(B, side, side)`.
    """
    top, bottom, above, below = _taps(levels.shape[1], side, levels.device)
    left, right, before, behind = _taps(levels.shape[2], side, levels.device)
    levels = levels.int()
    rows = levels[:, :, left] * before + levels[:, :, right] * behind  # (B, H, side), in 256ths
    return (rows[:, top] * above[:, None] + rows[:, bottom] * below[:, None] + 2**15) >> 16


def _taps(cells: int, side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each of ``side`` pixels: the two cells it lies between, and their weights in 256ths."""
    place = (2 * torch.arange(side, device=device) + 1) * cells - side  # in 2 * side parts of a cell
    cell = torch.div(place, 2 * side, rounding_mode="floor")
    weight = ((place - 2 * side * cell).double() * 128 / side).round().int()  # a half goes to the even one
    weight = weight.masked_fill((cell < 0) | (cell >= cells - 1), 0)
    return cell.clamp(0, cells - 1), (cell + 1).clamp(0, cells - 1), 256 - weight, weight


def squares(boxes: Tensor, side: int) -> Tensor:
    """Squares of the mean side about the centres of rectangles, clipped to the image; halves go to the even number.

    Args:
        boxes: x0, y0, x1, y1 in pixel edges, int64, :math:`(B, 4)`.
        side: side of the image.
    """
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    shift = ((size - size.flip(1)).double() / 4).round().long()
    edge = (size.sum(dim=1, keepdim=True).double() / 2).round().long()
    start = corner + shift
    return torch.cat([start.clamp(min=0), (start + edge).clamp(max=side)], dim=1)


def largest_region(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The region with the largest outer contour in each mask.

    Of equal areas that one counts whose first pixel, by rows, comes last: OpenCV lists it first.

    Args:
        mask: bool, :math:`(B, H, W)`.

    Returns:
        Its bounding rectangle x0, y0, x1, y1 in pixel edges, int64, :math:`(B, 4)`, of no meaning where there is no
        contour that encloses an area; and twice that area, int64, :math:`(B,)`. B may be 0.
    """
    if not len(mask):
        return mask.new_zeros((0, 4), dtype=torch.int64), mask.new_zeros(0, dtype=torch.int64)
    start, end = _runs(F.pad(mask, (1, 1, 1, 1)))  # a ring of background, whose first run is number 0 of its image
    owner = _owners(start, end)
    batch, height, _ = start.shape
    frame = owner[:, :1, :1]
    # neighbouring runs of one owner become one segment, which keeps the place of its first run
    first = owner != F.pad(owner, (1, 0), value=-2)[..., :-1]
    last = owner != F.pad(owner, (0, 1), value=-2)[..., 1:]
    far = end.masked_fill(~last, mask.shape[2] + 2)
    end = far.flip(2).cummin(dim=2).values.flip(2)
    segment = first & (owner != frame) & (owner >= 0)
    area = _twice_area(start, end, owner, segment)
    best = area.view(batch, -1).amax(dim=1)
    places = torch.arange(area.numel(), device=mask.device).view(batch, -1)
    chosen = places.masked_fill(area.view(batch, -1) != best[:, None], -1).amax(dim=1)
    mine = segment & (owner == chosen[:, None, None])
    rows = torch.arange(height, device=mask.device)[None, :, None].expand_as(start)
    low = [v.masked_fill(~mine, max(mask.shape[1:]) + 2).amin(dim=(1, 2)).long() - 1 for v in (start, rows)]
    high = [v.masked_fill(~mine, 0).amax(dim=(1, 2)).long() - 1 for v in (end, rows + 1)]
    return torch.stack([*low, *high], dim=1), best


def _runs(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Start and end of the stretches of equal pixels, int16, (B, H, R) each; the even ones are background.

    Every row begins with background. Rows with fewer stretches are filled up with empty ones at their end.
    """
    batch, height, width = mask.shape
    image, row, column = (mask[..., 1:] != mask[..., :-1]).nonzero(as_tuple=True)
    line = image * height + row
    counts = torch.bincount(line, minlength=batch * height)
    place = torch.arange(len(line), device=mask.device) - (counts.cumsum(0) - counts)[line]
    cuts = torch.full((batch, height, int(counts.max()) + 2), width, dtype=torch.int16, device=mask.device)
    cuts[..., 0] = 0
    cuts[image, row, place + 1] = (column + 1).to(cuts.dtype)
    return cuts[..., :-1].contiguous(), cuts[..., 1:].contiguous()


def _owners(start: Tensor, end: Tensor) -> Tensor:
    """(B, H, R): number of the first run of the outermost region that each run lies in; -1 for empty runs.

    Runs are numbered through, image by image and row by row. The background around everything owns itself.
    """
    _, height, runs = start.shape
    numbers = torch.arange(start.numel(), device=start.device).view_as(start)
    odd = torch.arange(runs, device=start.device) % 2
    filled = end > start
    touch = torch.minimum(end[:, :-1, :, None], end[:, 1:, None, :])
    touch = touch - torch.maximum(start[:, :-1, :, None], start[:, 1:, None, :])  # common columns of two rows' runs
    linked = (touch >= (1 - odd)[:, None]) & (odd[:, None] == odd)  # regions also join by a corner
    linked &= filled[:, :-1, :, None] & filled[:, 1:, None, :]
    image, row, upper, lower = linked.nonzero(as_tuple=True)
    label = _join(numbers[image, row, upper], numbers[image, row + 1, lower], start.numel())
    # the pixel above a region's first one belongs to what encloses the region; above the image there is nothing
    above = (start[:, :-1, None, :] <= start[:, 1:, :, None]).sum(dim=3) - 1
    above = torch.cat([numbers[:, :1], numbers[:, :-1].gather(2, above)], dim=1)
    around = label[above.flatten()]
    frame = numbers[:, 0, 0].repeat_interleave(height * runs)
    outer = torch.where(around == frame, numbers.flatten(), around)
    for _ in range(height.bit_length()):
        outer = outer[outer]
    return outer[label].view_as(start).masked_fill(~filled, -1)


def _join(one: Tensor, other: Tensor, count: int) -> Tensor:
    """(count,): the least number that each of ``count`` nodes is joined with by edges from ``one`` to ``other``."""
    label = torch.arange(count, device=one.device)
    while True:
        left, right = label[one], label[other]
        least = torch.minimum(left, right)
        joined = label.scatter_reduce(0, torch.cat([left, right]), torch.cat([least, least]), "amin")
        joined = joined[joined]
        if torch.equal(joined, label):
            return label
        label = joined


def _twice_area(start: Tensor, end: Tensor, owner: Tensor, segment: Tensor) -> Tensor:
    """Twice the area of each owner's outer contour, by the number of its first run, over all runs.

    Between the centres of two rows, two segments of one owner with c common columns enclose c - 1 unit squares, and
    half of one more at each side where one of them reaches further.
    """
    left, right = (v[:, :-1, :, None] for v in (start, end))
    left_below, right_below = (v[:, 1:, None, :] for v in (start, end))
    common = torch.minimum(right, right_below) - torch.maximum(left, left_below)
    twice = 2 * (common - 1) + (left != left_below) + (right != right_below)
    same = (owner[:, :-1, :, None] == owner[:, 1:, None, :]) & segment[:, :-1, :, None] & segment[:, 1:, None, :]
    upper = twice.masked_fill(~same | (common < 1), 0).sum(dim=3)
    area = owner.new_zeros(start.numel())
    return area.scatter_add_(0, owner[:, :-1].clamp(min=0).flatten(), upper.flatten())
