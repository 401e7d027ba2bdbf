"""One image of a glyph with its masks, boxes and attributes.

Everything random comes from streams named after (seed, base, above, below, index) and the stage, so that any image can
be rendered alone, and two levels of difficulty that differ in clutter alone show the same glyph in the same pose and
font, and in the same colour but where the clutter leaves it too little contrast. Pixels are computed in whole numbers
and by Pillow: no product of matrices, no sine of an array, whose last bit may differ from processor to processor. The
stages: shape (font, composition of the parts), pose (scale by the em, since a scale by height would give marks away),
ground, clutter on the ground, colour, something in front, blur and noise. Explained on page: glyphs.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from reproducible.data.glyphs.alphabet import ABOVE, BELOW, DISTRACTORS, Glyph, mark
from reproducible.data.glyphs.fonts import EM, Font, fonts_for, raster

VERSION = 1
"""Raised whenever the same arguments give other pixels."""

ATTRIBUTES = ("bold", "slanted", "serif", "mono", "occluded")
"""Bits of an image, in the order of the store's columns."""

BASE_BIT, ABOVE_BIT, BELOW_BIT = 1, 2, 4
"""Bits of a mask; the visible object is where any is set."""

_REFERENCE = 64  # side in pixels to which all sizes below refer
_SEEN = 90  # coverage, of 255, from which a pixel belongs to a part
_LUMA = np.array([77, 150, 29])  # weights of R, G and B in the brightness, of 256
_PLAIN = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif")  # what distractors are drawn with


@dataclass(frozen=True)
class Difficulty:
    """How hard it is to see the object.

    Attributes:
        em: smallest and largest size of the em in pixels of an image of side 64.
        ground: contrast of the coloured ground, of one.
        contrast: least difference in brightness between the object and the ground under it, of one.
        clutter: multiplies the numbers of strokes (1 to 4) and distracting characters (2 to 5) on the ground.
        occlusion: probability that something covers part of the object.
    """

    em: tuple[int, int] = (29, 42)
    ground: float = 0.5
    contrast: float = 0.33
    clutter: float = 1.0
    occlusion: float = 0.3


class Rendered(NamedTuple):
    """An image.

    Attributes:
        image: (S, S, 3) uint8, RGB.
        mask: (S, S) uint8, bits 1 base, 2 mark above, 4 mark below; only what nothing covers.
        boxes: (4, 4) float32, x0, y0, x1, y1 in pixel edges of the visible object, base, mark above and mark below; NaN
            for a mark that the class does not have.
        attributes: (5,) uint8, as :data:`ATTRIBUTES` names them.
    """

    image: np.ndarray
    mask: np.ndarray
    boxes: np.ndarray
    attributes: np.ndarray


def render(glyph: Glyph, index: int, seed: int = 0, side: int = 64, difficulty: Difficulty | None = None) -> Rendered:
    """Image number ``index`` of a class.

    Args:
        glyph: base and names of the marks.
        index: which image; each is independent of all others.
        seed: of everything random.
        side: of the image, in pixels.
        difficulty: level; None: the benchmark's.

    Raises:
        UserError: a base that no font has, or a mark that does not exist.
    """
    level, key = difficulty or Difficulty(), _key(glyph, index, seed)
    chance = _stream(key, "glyph")
    font, shapes = _shape(glyph, chance)
    cover = _pose(shapes, side, level, chance)
    whole = np.maximum(np.maximum(cover[:, :, 0], cover[:, :, 1]), cover[:, :, 2]).astype(np.int32)
    ground = _clutter(_ground(side, level, _stream(key, "ground")), level, key)
    image = _paint(ground, whole, level, _stream(key, "colour"))
    seen = (cover >= _SEEN).view(np.uint8)
    mask = seen[:, :, 0] * BASE_BIT + seen[:, :, 1] * ABOVE_BIT + seen[:, :, 2] * BELOW_BIT
    image, mask, occluded = _occlude(image, mask, level, _stream(key, "occluder"))
    image = _sensor(image, _stream(key, "sensor"))
    bits = np.array([font.bold, font.slanted, font.serif, font.mono, occluded], np.uint8)
    return Rendered(image, mask, boxes_of(mask), bits)


def ground_of(
    glyph: Glyph, index: int, seed: int = 0, side: int = 64, difficulty: Difficulty | None = None
) -> np.ndarray:
    """The ground of an image with its clutter, blur and noise, where no object is: (S, S, 3) uint8.

    The arguments are those of :func:`render`. Nothing lies in front of it either.
    """
    level, key = difficulty or Difficulty(), _key(glyph, index, seed)
    ground = _clutter(_ground(side, level, _stream(key, "ground")), level, key)
    return _sensor(ground, _stream(key, "sensor"))


def boxes_of(mask: np.ndarray) -> np.ndarray:
    """The tight boxes of object, base, mark above and mark below in a mask: (4, 4) float32, NaN where nothing is."""
    boxes = np.full((4, 4), np.nan, np.float32)
    for row, bits in enumerate((BASE_BIT | ABOVE_BIT | BELOW_BIT, BASE_BIT, ABOVE_BIT, BELOW_BIT)):
        found = (mask & bits) > 0
        if found.any():
            x, y = np.flatnonzero(found.any(0)), np.flatnonzero(found.any(1))
            boxes[row] = x[0], y[0], x[-1] + 1, y[-1] + 1
    return boxes


def _key(glyph: Glyph, index: int, seed: int) -> str:
    """What all streams of an image are named after."""
    return f"{seed}/{glyph.base}/{glyph.above}/{glyph.below}/{index}"


def _stream(key: str, stage: str) -> np.random.Generator:
    """The source of chance of one stage of one image."""
    digest = hashlib.sha256(f"{key}/{stage}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def _shape(glyph: Glyph, chance: np.random.Generator) -> tuple[Font, np.ndarray]:
    """A font, and the parts drawn with it on one canvas: (h, w, 3) uint8, base, mark above, mark below."""
    fonts = fonts_for(glyph.base)
    font = fonts[chance.integers(len(fonts))]
    size, gap = int(1.25 * EM), int(EM * chance.uniform(0.06, 0.11))
    base = raster(font.name, glyph.base, EM)
    height, width = base.shape
    lean = 0.18 if font.slanted else 0.0
    placed = [(0, 0, 0, base)]  # part, top, left, coverage
    for part, name, known in ((1, glyph.above, ABOVE), (2, glyph.below, BELOW)):
        if name:
            drawn = raster(font.marks or font.name, mark(name, known), size)
            top = -gap - drawn.shape[0] if part == 1 else height + gap
            shift = lean * (height / 2 + gap) * (1 if part == 1 else -1)
            placed.append((part, top, round((width - drawn.shape[1]) / 2 + shift), drawn))
    y0, x0 = (min(p[i] for p in placed) for i in (1, 2))
    y1, x1 = (max(p[i] + p[3].shape[i - 1] for p in placed) for i in (1, 2))
    canvas = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    for part, top, left, drawn in placed:
        h, w = drawn.shape
        canvas[top - y0 : top - y0 + h, left - x0 : left - x0 + w, part] = drawn
    return font, canvas


def _pose(shapes: np.ndarray, side: int, level: Difficulty, chance: np.random.Generator) -> np.ndarray:
    """The parts scaled, turned, sheared and moved to where all of them are in the image: (S, S, 3) uint8 coverage."""
    scale = chance.uniform(*level.em) / EM * side / _REFERENCE
    aspect, shear = chance.uniform(0.85, 1.15), chance.uniform(-0.15, 0.15)
    turn = math.radians(chance.uniform(-14, 14))
    cos, sin = math.cos(turn), math.sin(turn)
    a, b, c, d = aspect * cos, shear * cos - sin, aspect * sin, shear * sin + cos  # canvas to image, without the scale
    height, width = shapes.shape[:2]
    reach_x = (abs(a) * width + abs(b) * height) / 2
    reach_y = (abs(c) * width + abs(d) * height) / 2
    scale = min(scale, 0.47 * side / max(reach_x, reach_y))  # the largest fill 94 % of the side
    margin_x, margin_y = side / 2 - scale * reach_x - 1, side / 2 - scale * reach_y - 1
    x = side / 2 + chance.uniform(-1, 1) * max(margin_x, 0)
    y = side / 2 + chance.uniform(-1, 1) * max(margin_y, 0)
    fine = 2  # drawn at twice the size, then averaged
    unit = scale * fine * (a * d - b * c)
    back = [_grid(v / unit) for v in (d, -b, -c, a)]
    offset_x = _grid(width / 2 - (back[0] * x + back[1] * y) * fine)
    offset_y = _grid(height / 2 - (back[2] * x + back[3] * y) * fine)
    drawn = Image.fromarray(shapes).transform(
        (side * fine, side * fine),
        Image.Transform.AFFINE,
        (back[0], back[1], offset_x, back[2], back[3], offset_y),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(drawn.reduce(fine))


def _grid(value: float) -> float:
    """A number that a last bit of sine or cosine cannot move: a multiple of 2**-20."""
    return round(value * 2**20) / 2**20


def _field(side: int, cells: int, chance: np.random.Generator) -> np.ndarray:
    """A smooth random field, three channels: (S, S, 3) int32 from -128 to 127."""
    coarse = Image.fromarray(chance.integers(0, 256, (cells, cells, 3), np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int32) - 128


def _ground(side: int, level: Difficulty, chance: np.random.Generator) -> np.ndarray:
    """Coloured blotches, often with fine grey texture or stripes, rather dark: (S, S, 3) uint8."""
    brightness = int(chance.integers(51, 116))
    mixed = (_field(side, 2, chance) + _field(side, int(chance.integers(3, 7)), chance)) // 2
    if chance.random() < 0.5:
        strength = int(chance.integers(26, 129))
        fine = _field(side, int(chance.integers(10, 24)), chance)
        mixed = mixed + ((fine[:, :, 0] + fine[:, :, 1] + fine[:, :, 2]) * strength // 768)[:, :, None]
    if chance.random() < 0.3:
        strength, turn, period = (chance.uniform(*r) for r in ((10, 30), (0, math.pi), (4.5, 15.7)))
        step = 1024 * _REFERENCE / (side * period)  # of the table of sines, a pixel
        across, down = round(step * math.cos(turn)), round(step * math.sin(turn))
        steps = np.arange(side)
        phase = (steps[None, :] * across + steps[:, None] * down) % 1024
        mixed = mixed + (_sines()[phase] * int(strength) // 256)[:, :, None]
    return np.clip(mixed * round(256 * level.ground) // 256 + brightness, 0, 255).astype(np.uint8)


@cache
def _sines() -> np.ndarray:
    """A period of the sine in 1,024 steps: int32 from -256 to 256."""
    return np.array([round(256 * math.sin(2 * math.pi * i / 1024)) for i in range(1024)], np.int32)


def _clutter(ground: np.ndarray, level: Difficulty, key: str) -> np.ndarray:
    """The ground with small characters and strokes; a higher level keeps those of a lower one and adds more."""
    side = len(ground)
    unit = side / _REFERENCE
    canvas = Image.fromarray(ground)
    chance = _stream(key, "characters")
    for _ in range(int(chance.integers(2, 6) * level.clutter)):
        font = _PLAIN[chance.integers(len(_PLAIN))]
        character = DISTRACTORS[chance.integers(len(DISTRACTORS))]
        drawn = raster(font, character, round(3 * chance.integers(3, 7) * unit))
        colour = tuple(chance.integers(0, 256, 3).tolist())
        faint = Image.fromarray((drawn * chance.integers(77, 218) // 256).astype(np.uint8))
        x, y = (round(v * unit) for v in chance.integers(-4, 60, 2).tolist())
        canvas.paste(colour, (x, y), faint)
    chance = _stream(key, "strokes")
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(chance.integers(1, 5) * level.clutter)):
        ends = [round(v * unit) for v in chance.integers(-8, 73, 4).tolist()]
        colour = tuple(chance.integers(0, 256, 3).tolist())
        pen.line(ends, fill=colour, width=max(1, round(chance.integers(1, 3) * unit)))
    return np.asarray(canvas)


def _paint(ground: np.ndarray, whole: np.ndarray, level: Difficulty, chance: np.random.Generator) -> np.ndarray:
    """The object on the ground in a colour that is brighter than what lies under it, slightly uneven: uint8."""
    under = int((whole.ravel() @ ground.reshape(-1, 3)) @ _LUMA) // (256 * max(int(whole.sum()), 1))
    least = under + round(255 * level.contrast)
    tries = chance.integers(0, 256, (20, 3))
    bright = np.flatnonzero((tries @ _LUMA) // 256 > least)
    colour = tries[bright[0]] if len(bright) else np.full(3, 255)
    uneven = _field(len(ground), 4, chance) * int(chance.integers(0, 90)) // 256
    paint = np.clip(colour + uneven, 0, 255)
    mixed = (ground * (255 - whole[:, :, None]) + paint * whole[:, :, None] + 127) // 255
    return mixed.astype(np.uint8)


def _occlude(
    image: np.ndarray, mask: np.ndarray, level: Difficulty, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Perhaps a disc or a bar in front: image, mask without what it covers, and whether anything is covered.

    It covers at least a twentieth of the object and at most half of any part, so that the class can always be read; a
    place where it does not is drawn again.
    """
    wanted = chance.random() < level.occlusion
    side, unit = len(mask), len(mask) / _REFERENCE
    colour = tuple(chance.integers(0, 256, 3).tolist())
    parts = [(mask & bit) > 0 for bit in (BASE_BIT, ABOVE_BIT, BELOW_BIT) if (mask & bit).any()]
    places = np.argwhere(mask)
    for _ in range(30 if wanted else 0):
        stencil = Image.new("1", (side, side))
        pen = ImageDraw.Draw(stencil)
        y, x = places[chance.integers(len(places))].tolist()
        if chance.random() < 0.5:
            radius = round(chance.uniform(2, 5) * unit)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        else:
            dx, dy = (round(v * unit) for v in chance.integers(-26, 27, 2).tolist())
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=1, width=max(2, round(3 * unit)))
        covered = np.asarray(stencil)
        hidden = covered & (mask > 0)
        if hidden.sum() * 20 >= len(places) and all((covered & part).sum() * 2 <= part.sum() for part in parts):
            return np.where(covered[:, :, None], np.array(colour, np.uint8), image), np.where(covered, 0, mask), True
    return image, mask, False


def _sensor(image: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Blur of up to 0.8 pixels and noise with a standard deviation of up to 14 grey levels: uint8."""
    radius, strength = chance.uniform(0, 0.8), chance.integers(0, 25)
    if radius > 0.3:
        image = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(round(radius, 2))))
    # The sum of four uniform bytes is nearly normal with a standard deviation of 148.
    noise = chance.integers(0, 256, (4, *image.shape), np.uint8).sum(0, dtype=np.int32) - 510
    return np.clip(image + noise * int(strength) // 256, 0, 255).astype(np.uint8)
