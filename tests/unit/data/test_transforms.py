"""Crop, scale and flip on tensors against Pillow, image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize, object_squares, random_boxes, random_flips

ROUNDING = 1.01
"""Pillow rounds to whole numbers after each of its two passes: half a level each, and a little for its fixed point."""


def pillow(image: Tensor, box: Tensor, size: int, flip: bool = False) -> np.ndarray:
    """(size, size, 3) as Pillow crops, scales and flips it."""
    resized = Image.fromarray(image.numpy()).resize((size, size), Image.Resampling.BILINEAR, box=tuple(box.tolist()))
    array = np.asarray(resized, np.float64)
    return array[:, ::-1] if flip else array


def noise(batch: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)


def channels_of(result: Tensor, i: int) -> np.ndarray:
    return result[i].permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize("size", [7, 32, 33, 40, 96])
@pytest.mark.parametrize(("height", "width"), [(40, 40), (31, 53)])
def test_equals_pillow(size: int, height: int, width: int) -> None:
    """Shrinking, enlarging, the whole image, single pixels and fractional boxes of any aspect, at every border."""
    rng = np.random.default_rng(size)
    x = np.sort(rng.uniform(0, width, (24, 2)), axis=1)
    y = np.sort(rng.uniform(0, height, (24, 2)), axis=1)
    drawn = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)
    corners = [[0, 0, 1, 1], [width - 1, height - 1, width, height]]
    fixed = [[0, 0, width, height], *corners, [3, 5, 30, 29], [0.5, 0, 9, 9.25]]
    boxes = torch.tensor(np.concatenate([drawn, fixed]), dtype=torch.float32)
    images = noise(len(boxes), height, width)
    result = crop_resize(images, boxes, size)
    assert result.shape == (len(boxes), 3, size, size) and result.dtype == torch.float32
    for i, box in enumerate(boxes):
        np.testing.assert_allclose(channels_of(result, i), pillow(images[i], box, size), rtol=0, atol=ROUNDING)


def test_training_crop_of_photographs_equals_pillow(groceries: Store) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.from_numpy(groceries.images[::180])
    boxes, flips = random_boxes(len(images), 160, 7 / 8, generator), random_flips(len(images), generator)
    result = crop_resize(images, boxes, 112, flips)
    assert flips.any() and not flips.all()
    for i, box in enumerate(boxes):
        expected = pillow(images[i], box, 112, bool(flips[i]))
        difference = np.abs(channels_of(result, i) - expected)
        assert difference.max() <= ROUNDING and difference.mean() < 0.35


def test_whole_image_in_its_own_size_is_the_image() -> None:
    images = noise(2, 20, 20)
    result = crop_resize(images, center_boxes(2, 20, 1.0), 20)
    torch.testing.assert_close(result, images.permute(0, 3, 1, 2).float(), rtol=0, atol=1e-4)


def test_constant_image_stays_constant() -> None:
    result = crop_resize(torch.full((3, 30, 30, 3), 200, dtype=torch.uint8), torch.tensor([[1.5, 2, 28, 30]] * 3), 11)
    torch.testing.assert_close(result, torch.full_like(result, 200), rtol=0, atol=1e-3)


def test_flip_mirrors_exactly_the_chosen_images() -> None:
    images, boxes = noise(4, 32, 32), random_boxes(4, 32, 0.75, torch.Generator().manual_seed(3))
    flips = torch.tensor([True, False, True, False])
    plain, flipped = crop_resize(images, boxes, 16), crop_resize(images, boxes, 16, flips)
    torch.testing.assert_close(flipped[flips], plain[flips].flip(3), rtol=0, atol=1e-4)
    assert torch.equal(flipped[~flips], plain[~flips])


def test_float_images_and_layout() -> None:
    images, boxes = noise(2, 24, 24), center_boxes(2, 24, 0.5)
    result = crop_resize(images, boxes, 9)
    assert torch.equal(result, crop_resize(images.float(), boxes.double(), 9))
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_single_precision_under_autocast() -> None:
    images, boxes = noise(2, 24, 24), center_boxes(2, 24, 0.75)
    expected = crop_resize(images, boxes, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = crop_resize(images, boxes, 9)
    assert result.dtype == torch.float32 and torch.equal(result, expected)


def test_an_image_does_not_depend_on_the_batch() -> None:
    images, boxes = noise(5, 32, 32), random_boxes(5, 32, 0.75, torch.Generator().manual_seed(3))
    together = crop_resize(images, boxes, 24)
    alone = torch.cat([crop_resize(images[i : i + 1], boxes[i : i + 1], 24) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_runs_on_the_device_of_the_images() -> None:
    images, boxes = noise(4, 32, 32), random_boxes(4, 32, 0.75, torch.Generator().manual_seed(3))
    flips = torch.tensor([True, False, True, False])
    result = crop_resize(images.cuda(), boxes, 16, flips)
    assert result.is_cuda
    torch.testing.assert_close(result.cpu(), crop_resize(images, boxes, 16, flips), rtol=0, atol=0.3)  # TF32 may be on


@pytest.mark.parametrize(
    ("images", "boxes", "size", "flip", "message"),
    [
        ((2, 3, 8, 8), (2, 4), 4, None, r"images must be \(B, H, W, 3\), found \(2, 3, 8, 8\)"),
        ((8, 8, 3), (2, 4), 4, None, "images must be"),
        ((2, 8, 8, 3), (3, 4), 4, None, r"boxes must be \(2, 4\) for 2 images, found \(3, 4\)"),
        ((2, 8, 8, 3), (2, 4), 4, (3,), r"flip must be \(2,\) for 2 images, found \(3,\)"),
        ((2, 8, 8, 3), (2, 4), 0, None, "size must be at least 1, found 0"),
    ],
)
def test_bad_shapes(images: tuple, boxes: tuple, size: int, flip: tuple | None, message: str) -> None:
    box = torch.zeros(boxes)
    box[..., 2:] = 8
    with pytest.raises(ValueError, match=message):
        crop_resize(torch.zeros(images), box, size, None if flip is None else torch.zeros(flip, dtype=torch.bool))


@pytest.mark.parametrize("box", [[0, 0, 0, 8], [0, 5, 8, 4], [-1, 0, 8, 8], [0, 0, 8, 8.5], [0, 0, float("nan"), 8]])
def test_bad_boxes(box: list[float]) -> None:
    boxes = torch.tensor([[0, 0, 8, 8], box], dtype=torch.float32)
    with pytest.raises(ValueError, match=r"box 1 is empty or leaves its image of 8 x 8: \["):
        crop_resize(torch.zeros(2, 8, 8, 3), boxes, 4)


def test_center_boxes() -> None:
    assert center_boxes(2, 160, 7 / 8).tolist() == [[10, 10, 150, 150]] * 2
    assert center_boxes(1, 5, 0.4).tolist() == [[1.5, 1.5, 3.5, 3.5]]


def test_random_boxes_are_uniform_whole_pixels_inside() -> None:
    boxes = random_boxes(6000, 10, 0.75, torch.Generator().manual_seed(0))  # a window of 8 has 3 places each way
    assert torch.equal(boxes, boxes.round()) and boxes.dtype == torch.float32
    assert torch.equal(boxes[:, 2:] - boxes[:, :2], torch.full((6000, 2), 8.0))
    places = torch.bincount((boxes[:, 0] * 3 + boxes[:, 1]).long(), minlength=9)
    assert len(places) == 9 and places.min() > 550 and places.max() < 800


def test_chance_comes_from_the_generator() -> None:
    def draw(seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return random_boxes(50, 160, 0.5, generator), random_flips(50, generator)

    torch.manual_seed(0)
    first = draw(7)
    torch.manual_seed(1)
    again, other = draw(7), draw(8)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert 0.4 < random_flips(2000, torch.Generator().manual_seed(0)).float().mean() < 0.6


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, 0.001, float("nan")])
def test_bad_fraction(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction must be in"):
        center_boxes(1, 100, fraction)
    with pytest.raises(ValueError, match="fraction must be in"):
        random_boxes(1, 100, fraction, torch.Generator())


def test_the_central_window_of_an_objects_square_is_the_least_square_about_it() -> None:
    boxes = torch.tensor([[20.0, 30.0, 41.0, 44.0], [0.0, 0.0, 10.0, 21.0], [1.0, 2.0, 63.0, 50.0]])
    squares = object_squares(boxes, 64, 0.75)
    assert squares[0].tolist() == [16.5, 23.0, 44.5, 51.0]  # 28 pixels about (30.5, 37); 21 of them are the object's
    assert squares[1].tolist() == [0.0, 0.0, 28.0, 28.0]  # moved into the image
    assert squares[2].tolist() == [0.0, 0.0, 64.0, 64.0]  # no larger than the image
