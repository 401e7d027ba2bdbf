"""One door for photographs: from the bytes of a file to 8-bit RGB pixels, whatever colour space they are in.

A closed list of formats is read. What lies under transparent places is not part of a photograph: it is laid on
:data:`BACKGROUND`. Sixteen bits a pixel are scaled to eight by the range that the file declares, never cut off; numbers
without a declared range (32 bits, floating point) are refused. Explained on page: data-card.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageOps

from reproducible.resources import UserError

BACKGROUND = (255, 255, 255)
"""Red, green and blue of what shows through transparent places."""

LARGEST = 178_956_970
"""Pixels of the largest photograph that is read: 512 MiB of them."""

_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_UNREAD = {
    *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd", ".eps"),
    *(".svg", ".ico", ".pcx", ".exr", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef"),
}
_GREY = 3
"""Levels: a photograph whose channels differ by less everywhere is grey, however it is encoded."""

_HEADERS = threading.Lock()  # what Pillow warns of is switched off for the whole process while a header is read


@dataclass(frozen=True)
class Picture:
    """A photograph.

    Attributes:
        pixels: uint8, red, green and blue, :math:`(H, W, 3)`.
        mode: "RGB", "grey", "16-bit", "transparent" or, where it had to be converted, Pillow's name of the colour
            space, as "CMYK".
    """

    pixels: np.ndarray
    mode: str


@cache
def _avif() -> bool:
    try:
        from PIL import AvifImagePlugin
    except ImportError:
        return False
    return bool(AvifImagePlugin.SUPPORTED)


@cache
def read_suffixes() -> frozenset[str]:
    """Endings, in small letters, of the files that are read as photographs."""
    return frozenset(_SUFFIXES | ({".avif"} if _avif() else set()))


@cache
def unread_suffixes() -> frozenset[str]:
    """Endings, in small letters, of files that look like photographs and are not read."""
    return frozenset(_UNREAD | (set() if _avif() else {".avif"}))


def read(content: bytes, where: str, upright: bool = False) -> Picture:
    """A photograph from the bytes of its file.

    Args:
        content: of the file.
        where: names the file in errors.
        upright: turn it as its camera says it was held.

    Raises:
        UserError: corrupt, truncated or of another format; too large; of 32 bits a pixel or of
            floating-point numbers.
    """
    try:
        with _HEADERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = Image.open(io.BytesIO(content), formats=_formats())
            _check_size(opened.width * opened.height, where)
            kind, turned = opened.format, ImageOps.exif_transpose(opened) if upright else opened
        with opened:
            return _as_rgb(turned, kind or "", where)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        _check_size(int(found[0]) if found else LARGEST + 1, where)
        raise
    except Image.UnidentifiedImageError as error:
        known = ", ".join(_formats())
        raise UserError(f"{where}: corrupt or truncated image, or none of {known} ({type(error).__name__}).") from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ... by file format
        raise UserError(f"{where}: corrupt or truncated image ({type(error).__name__}: {error}).") from error


def _formats() -> list[str]:
    return ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", *(["AVIF"] if _avif() else [])]


def _check_size(pixels: int, where: str) -> None:
    if pixels > LARGEST:
        raise UserError(f"{where}: too large: {pixels:,} pixels, at most {LARGEST:,}; scale it down or exclude it.")


def _as_rgb(image: Image.Image, kind: str, where: str) -> Picture:
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and kind == "PNG"):
        return _from_16_bits(image)
    if mode in ("I", "F"):
        what = "floating-point numbers" if mode == "F" else "32 bits a pixel"
        raise UserError(f"{where}: of {what}, whose range no file says; save it with 8 or 16 bits a pixel.")
    if image.has_transparency_data:
        full = image.convert("RGBA")
        if full.getchannel("A").getextrema()[0] < 255:
            return Picture(np.asarray(_on_background(full)), "transparent")
        image = full
    pixels = np.asarray(image.convert("RGB"))
    if mode in ("RGB", "RGBA", "P"):
        mode = "grey" if _flat(pixels[::8, ::8]) and _flat(pixels) else "RGB"  # a few pixels tell most apart
    elif mode in ("L", "LA", "1"):
        mode = "grey"
    return Picture(pixels, mode)


def _from_16_bits(image: Image.Image) -> Picture:
    bits = getattr(image, "tag_v2", {}).get(258, (16,))[0]  # of a TIFF file, which may declare twelve
    values, top = np.asarray(image).astype(np.uint32), 2**bits - 1
    grey = np.minimum((values * 255 + top // 2) // top, 255).astype(np.uint8)
    see_through = image.info.get("transparency")
    if isinstance(see_through, int) and (values == see_through).any():
        grey[values == see_through] = BACKGROUND[0]
    return Picture(np.repeat(grey[:, :, None], 3, axis=2), "16-bit")


def _on_background(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGBA", image.size, (*BACKGROUND, 255))
    return Image.alpha_composite(canvas, image).convert("RGB")


def _flat(pixels: np.ndarray) -> bool:
    """Whether the channels of all pixels are nearly equal."""
    return int((pixels.max(2) - pixels.min(2)).max()) < _GREY
