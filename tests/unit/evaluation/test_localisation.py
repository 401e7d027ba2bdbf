"""Localisation metrics against pixel counts, torchvision, OpenCV and literal loops."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou as pairwise_iou

from reproducible.evaluation.localisation import (
    box_cells,
    box_iou,
    box_share,
    mask_cells,
    mass_inside,
    peaks,
    pointing_hits,
)

SIDE = 30


def draw_boxes(count: int, seed: int, whole: bool = True) -> Tensor:
    """Boxes in an image of ``SIDE`` pixels, in whole pixels or not."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, SIDE - 4, (count, 2))
    ends = corners + random.uniform(1.5, SIDE - corners)
    boxes = np.concatenate([corners, ends], axis=1)
    return torch.from_numpy(np.round(boxes) if whole else boxes).float()


def filled(boxes: Tensor) -> np.ndarray:
    """The pixels of whole-pixel boxes, bool (N, SIDE, SIDE)."""
    masks = np.zeros((len(boxes), SIDE, SIDE), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def test_iou_counts_pixels() -> None:
    found, wanted = draw_boxes(200, 0), draw_boxes(200, 1)
    one, other = filled(found), filled(wanted)
    literal = (one & other).sum((1, 2)) / (one | other).sum((1, 2))
    np.testing.assert_allclose(box_iou(found, wanted), literal, rtol=1e-5)
    assert 0 in literal


def test_iou_is_torchvisions_and_symmetric() -> None:
    found, wanted = draw_boxes(100, 2, whole=False), draw_boxes(100, 3, whole=False)
    torch.testing.assert_close(box_iou(found, wanted), pairwise_iou(found, wanted).diagonal())
    torch.testing.assert_close(box_iou(found, wanted), box_iou(wanted, found))
    torch.testing.assert_close(box_iou(found.long() * 2, found.long() * 2), torch.ones(100))


def test_shares() -> None:
    boxes = torch.tensor([[0, 0, 30, 30], [0, 0, 30, 26], [5, 5, 14, 14], [0, 0, 10, 10]])
    assert box_share(boxes, SIDE).tolist() == pytest.approx([1, 26 / 30, 0.09, 1 / 9])


def literal_share(cell: tuple[int, int], grid: tuple[int, int], box: list[float]) -> float:
    """Part of a cell that a box covers, from the corners of both."""
    width, height = SIDE / grid[1], SIDE / grid[0]
    x = max(0.0, min(box[2], (cell[1] + 1) * width) - max(box[0], cell[1] * width))
    y = max(0.0, min(box[3], (cell[0] + 1) * height) - max(box[1], cell[0] * height))
    return x * y / (width * height)


@pytest.mark.parametrize("grid", [(3, 3), (7, 7), (4, 11)])
def test_cells_of_a_box(grid: tuple[int, int]) -> None:
    boxes = draw_boxes(20, 4, whole=False)
    found = box_cells(boxes, SIDE, *grid)
    for cells, box in zip(found, boxes.tolist(), strict=True):
        literal = [[literal_share((r, c), grid, box) for c in range(grid[1])] for r in range(grid[0])]
        np.testing.assert_allclose(cells, literal, atol=1e-5)


@pytest.mark.parametrize("grid", [(3, 3), (7, 7), (4, 11), (30, 30)])
def test_cells_of_a_mask_are_those_of_the_box_that_it_fills(grid: tuple[int, int]) -> None:
    boxes = draw_boxes(20, 5)
    found = mask_cells(torch.from_numpy(filled(boxes)), *grid)
    torch.testing.assert_close(found, box_cells(boxes, SIDE, *grid), atol=1e-5, rtol=0)


def test_cells_of_a_mask_are_opencvs_area_resize() -> None:
    masks = np.random.default_rng(0).random((5, SIDE, SIDE)) < 0.4
    found = mask_cells(torch.from_numpy(masks), 7, 11)
    for cells, mask in zip(found.numpy(), masks, strict=True):
        np.testing.assert_allclose(
            cells, cv2.resize(mask.astype(np.float64), (11, 7), interpolation=cv2.INTER_AREA), atol=1e-6
        )


def test_mass_inside_sums_pixels() -> None:
    """A map enlarged to the image, every pixel with its part of the mass."""
    mass = torch.rand(10, 5, 6, generator=torch.Generator().manual_seed(0))
    masks = np.random.default_rng(1).random((10, SIDE, SIDE)) < 0.3
    pixels = mass.numpy().repeat(SIDE // 5, axis=1).repeat(SIDE // 6, axis=2)
    literal = (pixels * masks).sum((1, 2)) / pixels.sum((1, 2))
    np.testing.assert_allclose(mass_inside(mass, mask_cells(torch.from_numpy(masks), 5, 6)), literal, rtol=1e-5)


def test_a_uniform_map_has_the_share_of_the_box() -> None:
    boxes = draw_boxes(10, 6, whole=False)
    found = mass_inside(torch.full((10, 7, 7), 1 / 49), box_cells(boxes, SIDE, 7, 7))
    torch.testing.assert_close(found, box_share(boxes, SIDE))


def test_peaks_are_opencvs_where_there_is_one() -> None:
    pictures = np.random.default_rng(2).random((20, 9, 13))
    for found, image in zip(peaks(torch.from_numpy(pictures)).tolist(), pictures, strict=True):
        assert found == pytest.approx(np.add(cv2.minMaxLoc(image)[3], 0.5))


def test_a_plateau_has_its_peak_in_the_middle_and_a_constant_picture_none() -> None:
    pictures = torch.zeros(3, 8, 8, dtype=torch.int32)
    pictures[0, 2:4, 4:7] = 9
    pictures[1, 0, 0] = 1
    found = peaks(pictures)
    assert found[:2].tolist() == [[5.5, 3.0], [0.5, 0.5]]
    assert found[2].isnan().all()


@pytest.mark.parametrize("tolerance", [0.0, 2.5])
def test_a_hit_is_as_near_as_opencv_measures(tolerance: float) -> None:
    boxes = draw_boxes(300, 7)
    points = torch.from_numpy(np.random.default_rng(8).uniform(0, SIDE, (300, 2))).float()
    hits = pointing_hits(points, boxes, tolerance).tolist()
    for point, (x0, y0, x1, y1), hit in zip(points.tolist(), boxes.tolist(), hits, strict=True):
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
        assert hit == (cv2.pointPolygonTest(corners, point, True) >= -tolerance)
    assert 0 < sum(hits) < 300


def test_nowhere_never_hits() -> None:
    assert not pointing_hits(torch.tensor([[math.nan, math.nan]]), torch.tensor([[0.0, 0.0, 9.0, 9.0]]), 100).any()


def test_wrong_shapes_are_named() -> None:
    box, flat = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.zeros(4)
    with pytest.raises(ValueError, match=r"found must be \(N, 4\), found \(4,\)"):
        box_iou(flat, box)
    with pytest.raises(ValueError, match=r"wanted must be \(1, 4\), found \(2, 4\)"):
        box_iou(box, box.repeat(2, 1))
    with pytest.raises(ValueError, match=r"boxes: box 1 has no area: \[2.0, 0.0, 2.0, 2.0\]"):
        box_share(torch.tensor([[0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0]]), 4)
    with pytest.raises(ValueError, match=r"box 0 has no area: \[nan"):
        box_share(torch.full((1, 4), math.nan), 4)
    with pytest.raises(ValueError, match=r"masks must be \(N, H, W\)"):
        mask_cells(torch.zeros(4, 4), 2, 2)
    with pytest.raises(ValueError, match=r"found \(1, 2, 2\) and \(1, 3, 3\)"):
        mass_inside(torch.ones(1, 2, 2), torch.ones(1, 3, 3))
    for bad in (torch.zeros(1, 2, 2), torch.tensor([[[-1.0, 3.0]]])):
        with pytest.raises(ValueError, match="nowhere negative and have a positive sum"):
            mass_inside(bad, torch.ones_like(bad))
    with pytest.raises(ValueError, match=r"pictures must be \(N, H, W\)"):
        peaks(torch.zeros(4, 4))
    with pytest.raises(ValueError, match=r"points must be \(N, 2\)"):
        pointing_hits(flat, box, 0)
