"""The documents' augmentations against Pillow, which scales, pads and cuts one after the other."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reproducible import registry
from reproducible.config import DataConfig
from reproducible.data.augmentation import Recipe, augmentation
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize, random_boxes

RECIPES = [name for name in registry.REGISTRY["augmentation"] if name != "window"]
ROUNDING = 1.01  # levels; Pillow rounds after each of its two passes
Size = tuple[int, int]


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def on_canvas(image: Image.Image, least: int) -> Image.Image:
    """The image in the middle of a black canvas of at least that side."""
    size = tuple(max(side, least) for side in image.size)
    ground = Image.new("RGB", size)
    ground.paste(image, tuple((whole - part) // 2 for whole, part in zip(size, image.size, strict=True)))
    return ground


def views(image: Image.Image, scaled: Size, canvas: int, window: int) -> Image.Image:
    """Pillow's result before the window is cut."""
    return on_canvas(image.resize(scaled, Image.Resampling.BILINEAR), max(canvas, window))


def boxes_of(name: str, aspect: float, side: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Training boxes of 40 images, and those of evaluation."""
    found, aspects = recipe_of(name), torch.full((40,), aspect, dtype=torch.float64)
    return found.training(40, side, aspects, stream(seed)), found.evaluation(40, side, aspects)


def recipe_of(name: str) -> Recipe:
    return augmentation(DataConfig(augmentation=name))


def test_the_default_is_what_it_was() -> None:
    boxes = augmentation(DataConfig(crop=0.75)).training(9, 160, torch.full((9,), 2.0), stream(3))
    assert torch.equal(boxes, random_boxes(9, 160, 0.75, stream(3)))
    assert not augmentation(DataConfig()).beyond  # what it cuts lies inside, and a box beside the image is an error
    assert augmentation(DataConfig(crop=0.875)).evaluation(2, 160, None).tolist() == [[10, 10, 150, 150]] * 2


def in_scaled(boxes: Tensor, sizes: Tensor, side: int) -> Tensor:
    """Boxes in pixels of the scaled images."""
    return boxes.double() * sizes.repeat(1, 2) / side


@pytest.mark.parametrize(
    ("name", "aspect", "size", "window"),
    [
        ("deml", 1.0, (256, 256), 227),
        ("deml", 1.7, (256, 256), 227),
        ("deml_letterbox", 2.0, (256, 128), 227),
        ("deml_letterbox", 0.5, (128, 256), 227),
        ("vem", 1.5, (384, 256), 224),
        ("vem", 0.8, (256, 320), 224),
    ],
)
def test_windows_of_fixed_scale(name: str, aspect: float, size: Size, window: int) -> None:
    """Whole pixels of the scaled image, every place on the canvas, in the middle at evaluation."""
    recipe, n = recipe_of(name), 20_000
    aspects = torch.full((n,), aspect, dtype=torch.float64)
    sizes = torch.tensor([size], dtype=torch.float64).expand(n, 2)
    found = in_scaled(recipe.training(n, 160, aspects, stream()), sizes, 160)
    assert (found - found.round()).abs().max() < 1e-3
    assert torch.equal((found[:, 2:] - found[:, :2]).round(), torch.full((n, 2), float(window), dtype=torch.float64))
    for axis in (0, 1):
        canvas = max(size[axis], 256)
        places = canvas - window + 1
        first = -((canvas - size[axis]) // 2)
        values, counts = found[:, axis].round().unique(return_counts=True)
        assert values.tolist() == list(range(first, first + places))
        assert (counts - n / places).abs().max() < 6 * (n / places) ** 0.5
        centre = in_scaled(recipe.evaluation(1, 160, aspects[:1]), sizes[:1], 160)[0, axis]
        assert abs(float(centre) - (first + places // 2)) <= 1


def test_scales_of_diablo() -> None:
    """Longer side 205 to 461 pixels; never a window beside the image; smaller images in the middle of black."""
    n = 5000
    aspects = torch.full((n,), 1.25, dtype=torch.float64)
    boxes = recipe_of("diablo").training(n, 200, aspects, stream()).double()
    widths = 256 * 200 / (boxes[:, 2] - boxes[:, 0])
    assert (widths - widths.round()).abs().max() < 0.01
    assert 204.5 < widths.min() < 207 and 458 < widths.max() < 461.5
    share = (widths < 256).double().mean().item()
    assert share == pytest.approx(0.2, abs=0.02)  # of 0.8 to 1.8, below 1
    smaller = widths < 254.5
    assert (boxes[smaller, 0] < 0).all() and (boxes[smaller, 2] > 200).all()
    larger = widths > 257
    assert (boxes[larger, 0] >= -1e-3).all() and (boxes[larger, 2] <= 200 + 1e-3).all()
    assert recipe_of("diablo").evaluation(1, 200, aspects[:1]).tolist() == [[0, 0, 200, 200]]


def test_windows_of_sgml() -> None:
    boxes = recipe_of("sgml").training(5000, 100, None, stream()).double()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert torch.allclose(sides[:, 0], sides[:, 1], atol=1e-4)
    assert 90 <= sides.min() < 90.1 and 99.9 < sides.max() <= 100 + 1e-4
    assert sides[:, 0].mean().item() == pytest.approx(95, abs=0.15)
    assert boxes.min() > -1e-4 and boxes.max() < 100 + 1e-4
    assert recipe_of("sgml").evaluation(1, 100, None).tolist() == [[0, 0, 100, 100]]


@pytest.mark.parametrize("name", RECIPES)
def test_equals_pillow_that_scales_pads_and_cuts(name: str, groceries: Store) -> None:
    """On stored photographs; DIABLO's scale is read from the box."""
    recipe, side = recipe_of(name), 160
    images, aspect = torch.from_numpy(groceries.images[::140]), 1.4
    boxes = boxes_of(name, aspect, side, seed=1)[0][: len(images)]
    found = crop_resize(images, boxes, recipe.window, black_outside=True)
    for i, (x0, y0, x1, y1) in enumerate(boxes.double().tolist()):
        stored = Image.fromarray(images[i].numpy())
        if name == "sgml":
            expected = stored.resize((224, 224), Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
        else:
            scaled = tuple(round(recipe.window * side / span) for span in (x1 - x0, y1 - y0))
            canvas = views(stored, scaled, recipe.canvas, recipe.window)
            margin = [(whole - part) // 2 for whole, part in zip(canvas.size, scaled, strict=True)]
            corner = [round(c * n / side) + m for c, n, m in zip((x0, y0), scaled, margin, strict=True)]
            expected = canvas.crop((*corner, *(c + recipe.window for c in corner)))
        difference = np.abs(found[i].permute(1, 2, 0).numpy() - np.asarray(expected, np.float32))
        assert difference.max() <= ROUNDING, (name, i, difference.max())


def test_black_outside_and_nothing_else_changes() -> None:
    images = torch.full((1, 20, 20, 3), 200, dtype=torch.uint8)
    found = crop_resize(images, torch.tensor([[-5.0, 0, 25, 20]]), 30, black_outside=True)[0, 0]
    assert found[:, :5].abs().max() == 0 and found[:, 25:].abs().max() == 0
    torch.testing.assert_close(found[:, 5:25], torch.full((30, 20), 200.0), rtol=0, atol=1e-3)
    inside = torch.tensor([[2.0, 3, 17, 16]])
    torch.testing.assert_close(
        crop_resize(images, inside, 9, black_outside=True), crop_resize(images, inside, 9), rtol=0, atol=0
    )
    with pytest.raises(ValueError, match="leaves its image"):
        crop_resize(images, torch.tensor([[-5.0, 0, 25, 20]]), 30)


def photographs(folder: Path, count: int) -> Iterator[Image.Image]:
    """Photographs of Caltech-101 in their own size and aspect."""
    with (folder / "caltech101_boxes24.index.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with tarfile.open(folder / "caltech101_boxes24.tar") as tar:
        for row in rows[:: len(rows) // count][:count]:
            with Image.open(tar.extractfile(f"caltech101_boxes24/{row['path']}")) as image:
                yield image.convert("RGB")


@pytest.mark.parametrize(
    ("name", "side", "filter_", "mean"),
    [
        ("deml", 256, Image.Resampling.BILINEAR, 2.0),
        ("deml_letterbox", 256, Image.Resampling.BILINEAR, 1.5),
        ("vem", 256, Image.Resampling.BILINEAR, 2.0),
        ("diablo", 256, Image.Resampling.LANCZOS, 3.0),
        ("vem", 160, Image.Resampling.BILINEAR, 4.5),
    ],
)
def test_from_a_store_against_pillow_from_the_file(
    name: str, side: int, filter_: Image.Resampling, mean: float, data_folder: Path
) -> None:
    """What it costs to scale twice, first to the square store and then to the recipe: mean difference in levels."""
    recipe, differences = recipe_of(name), []
    for number, image in enumerate(photographs(data_folder, 12)):
        aspects = torch.tensor([image.width / image.height], dtype=torch.float64)
        box = recipe.training(1, side, aspects, stream(number))
        stored = torch.from_numpy(np.array(image.resize((side, side), Image.Resampling.BICUBIC)))[None]
        found = crop_resize(stored, box, recipe.window, black_outside=True)[0].permute(1, 2, 0).numpy()
        x0, y0, x1, y1 = box[0].double().tolist()
        scaled = tuple(round(recipe.window * side / span) for span in (x1 - x0, y1 - y0))
        canvas = on_canvas(image.resize(scaled, filter_), max(recipe.canvas, recipe.window))
        margin = [(whole - part) // 2 for whole, part in zip(canvas.size, scaled, strict=True)]
        corner = [round(c * n / side) + m for c, n, m in zip((x0, y0), scaled, margin, strict=True)]
        expected = np.asarray(canvas.crop((*corner, *(c + recipe.window for c in corner))), np.float32)
        differences.append(float(np.abs(found - expected).mean()))
    print(
        f"{name} from a store of {side}: mean difference {np.mean(differences):.2f} levels, most {max(differences):.2f}"
    )
    assert 0 < np.mean(differences) < mean
