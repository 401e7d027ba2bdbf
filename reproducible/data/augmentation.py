"""What a network sees of an image: the documents' augmentations, on the device, one registered recipe each.

Every recipe scales the image to a size in pixels, puts it on a black canvas where it is smaller than the window, and
cuts a window of whole pixels out of it. All three are one box in the pixels of the store, so :func:`crop_resize` does
them in one step; the result is what Pillow computes when it scales (bilinear, antialiased) and cuts one after the
other. Sizes are those of the documents: with another ``input_size`` the same window is seen at another resolution.

============== ============================================================ ==================== =====================
recipe         training                                                     test                 source
============== ============================================================ ==================== =====================
window         random square of ``data.crop`` of the side                   central one          the default
deml           squashed to 256 x 256, random 227 x 227                      central 227 x 227    DeML section 4, code
deml_letterbox longer side 256, black margins to 256 x 256, random 227      central 227 x 227    its README's padding
diablo         longer side 256 times 0.8 to 1.8, random 256 x 256, black    squashed to 256      DIABLO section 3.5
               where it is smaller                                          x 256
vem            shorter side 256, random 224 x 224                           central 224 x 224    VEM section IV.B
sgml           random window of 0.9 to 1.0 of both sides, squashed to 224   squashed to 224      SGML section V.B
============== ============================================================ ==================== =====================

Half of the training images are mirrored where ``data.flip`` says so, in all of them; VEM does not say whether it does.
The box crop of SGML belongs to the store: there the image is the box.

What differs from Pillow on the file itself: a store is scaled once before, and DIABLO's code scales with a Lanczos
filter where all is bilinear here. On twelve photographs of Caltech-101 the mean difference was 1.2 (deml), 0.7
(deml_letterbox), 1.3 (vem) and 1.8 of 255 levels (diablo against Lanczos) from a store of 256 pixels, and 3.0 (vem)
from one of 160, which has lost detail; ``tests/unit/data/test_augmentation.py`` measures it.
Explained on page: protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from reproducible import registry
from reproducible.config import DataConfig
from reproducible.data.transforms import center_boxes, random_boxes


class Augmentation(Protocol):
    """Where the windows of training and of evaluation lie. Built with the configuration of the data.

    Attributes:
        beyond: whether a window may leave its image; what is outside is black.
    """

    beyond: bool

    def training(self, n: int, side: int, aspects: Tensor | None, chance: torch.Generator) -> Tensor:
        """One random box for each of n images.

        Args:
            n: number of images.
            side: side of the stored images in pixels, squashed whatever their aspect.
            aspects: width over height of each before, :math:`(n,)`, on the CPU; None: all are square.
            chance: source of randomness, on the CPU.

        Returns:
            (n, 4) float32, x0, y0, x1, y1 in stored pixels.
        """

    def evaluation(self, n: int, side: int, aspects: Tensor | None) -> Tensor:
        """The box that evaluation looks at in each of n images; arguments and result as of :meth:`training`."""


def augmentation(data: DataConfig) -> Augmentation:
    """The recipe that a configuration names.

    Raises:
        UserError: if there is none of that name, with the nearest one.
    """
    return registry.build("augmentation", data.augmentation, data)


class Window:
    """The default: a random square of ``data.crop`` of the side, the central one at evaluation."""

    beyond = False

    def __init__(self, data: DataConfig) -> None:
        self.crop = data.crop

    def training(self, n: int, side: int, aspects: Tensor | None, chance: torch.Generator) -> Tensor:
        """As of :class:`Augmentation`; squashed images are not told from square ones."""
        return random_boxes(n, side, self.crop, chance)

    def evaluation(self, n: int, side: int, aspects: Tensor | None) -> Tensor:
        """As of :class:`Augmentation`."""
        return center_boxes(n, side, self.crop)


def _same(draw: Tensor) -> Tensor:
    return torch.ones_like(draw)


@dataclass(frozen=True)
class Recipe:
    """How an image becomes an input.

    Attributes:
        window: side of the window in pixels.
        side: side that the image is scaled to, before ``factor``.
        fit: which side that is: ``longer``, ``shorter``, or ``both`` (aspect lost).
        canvas: side of the least canvas.
        factor: from uniform numbers in [0, 1) to the factor of the side of each training image.
        whole: whether the test view is the whole image, squashed, instead of the central window.
        rounded: whether the scaled image has whole pixels, as it must have where it is put on a canvas.
    """

    window: int
    side: int
    fit: str = "both"
    canvas: int = 0
    factor: Callable[[Tensor], Tensor] = _same
    whole: bool = False
    rounded: bool = True
    beyond = True

    def training(self, n: int, side: int, aspects: Tensor | None, chance: torch.Generator) -> Tensor:
        """As of :class:`Augmentation`."""
        draws = torch.rand(n, 3, generator=chance, dtype=torch.float64)
        return self._boxes(self._sizes(n, aspects, self.factor(draws[:, 0])), side, draws[:, 1:])

    def evaluation(self, n: int, side: int, aspects: Tensor | None) -> Tensor:
        """As of :class:`Augmentation`."""
        if self.whole:
            return center_boxes(n, side, 1.0)
        middle = torch.full((n, 2), 0.5, dtype=torch.float64)
        return self._boxes(self._sizes(n, aspects, torch.ones(n, dtype=torch.float64)), side, middle)

    def _sizes(self, n: int, aspects: Tensor | None, factor: Tensor) -> Tensor:
        """(n, 2) width and height that each image is scaled to, in pixels."""
        ratio = torch.ones(n, dtype=torch.float64) if aspects is None or self.fit == "both" else aspects.double()
        shape = torch.stack([ratio, torch.ones_like(ratio)], dim=1)
        unit = shape.amin(1) if self.fit == "shorter" else shape.amax(1)
        sizes = shape / unit[:, None] * (self.side * factor)[:, None]
        return sizes.round().clamp(min=1) if self.rounded else sizes

    def _boxes(self, sizes: Tensor, side: int, place: Tensor) -> Tensor:
        """Windows on the canvases of images of those sizes; ``place`` in [0, 1) says where, 0.5 the middle."""
        canvas = sizes.clamp(min=max(self.canvas, self.window))
        free = canvas - self.window
        offset = torch.minimum((place * (free + 1)).floor(), free) if self.rounded else place * free
        corner = offset - ((canvas - sizes) / 2).floor()
        corners = torch.cat([corner, corner + self.window], dim=1)
        return (corners * side / sizes.repeat(1, 2)).float()


def deml(data: DataConfig) -> Recipe:
    """DeML section 4 and its code: squashed to 256 x 256."""
    return Recipe(227, 256)


def deml_letterbox(data: DataConfig) -> Recipe:
    """The padding that DeML's README speaks of: black margins about the longer side."""
    return Recipe(227, 256, "longer", canvas=256)


def diablo(data: DataConfig) -> Recipe:
    """DIABLO section 3.5: scales of 0.8 to 1.8."""
    return Recipe(256, 256, "longer", canvas=256, factor=lambda draw: 0.8 + draw, whole=True)


def vem(data: DataConfig) -> Recipe:
    """VEM section IV.B."""
    return Recipe(224, 256, "shorter")


def sgml(data: DataConfig) -> Recipe:
    """SGML section V.B: windows of 0.9 to 1.0 of both sides."""
    return Recipe(224, 224, factor=lambda draw: 1 / (0.9 + 0.1 * draw), whole=True, rounded=False)
