"""The fonts that glyphs are drawn with: 21 of those that matplotlib bundles, pinned by SHA-256.

Left out of the forty: LastResort (a placeholder for every code point), cmex10, cmsy10 and cmmi10 (their character maps
lie), the STIX size and non-Unicode variants and the display cuts, which have few letters. Five faces of Computer Modern
draw basic Latin letters and digits only, whatever else their character maps claim. A font without combining marks
borrows those of a sibling. Explained on page: glyphs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reproducible.resources import UserError

if TYPE_CHECKING:
    from PIL import ImageFont

EM = 96
"""Pixels of the em at which characters are rasterised before they are posed."""


AS_PINNED = "as pinned"


@dataclass(frozen=True)
class Font:
    """A bundled font: file name without ending, SHA-256, style, and the font that lends it marks (empty: its own)."""

    name: str
    sha256: str
    bold: bool = False
    slanted: bool = False
    serif: bool = False
    mono: bool = False
    marks: str = ""
    basic: bool = False  # basic Latin letters and digits only


FONTS: tuple[Font, ...] = (
    Font("DejaVuSans", "3fdf69cabf06049ea70a00b5919340e2ce1e6d02b0cc3c4b44fb6801bd1e0d22"),
    Font("DejaVuSans-Bold", "b184b89e3c1075f22f6b71575b6fc20d4972b3cfd3b23322ca6fd596dcaef167", bold=True),
    Font("DejaVuSans-Oblique", "ccdf74b350f11fd3dd5774de50e5e6346a1a5da1f5b7d5fb83590665e97a5213", slanted=True),
    Font(
        "DejaVuSans-BoldOblique",
        "6edf0283160186af451cbee71e7b845f2e4cabf264bb992ce668c83c25465e6f",
        bold=True,
        slanted=True,
    ),
    Font("DejaVuSansMono", "602ec86b8948cfcd956482fe64f94c36c867770149ef2f791d4613f443bcecb3", mono=True),
    Font(
        "DejaVuSansMono-Bold",
        "baada9a5172fe20886251aff0433fc38461912d5daf07287e7bee56620a8da96",
        bold=True,
        mono=True,
    ),
    Font(
        "DejaVuSansMono-Oblique",
        "28052813f7a709fc89f52d192dc995ef4f0fdc5c3d7b73a49d6849b1916d0cd0",
        slanted=True,
        mono=True,
    ),
    Font(
        "DejaVuSansMono-BoldOblique",
        "a69081c15c76c827e0a27a5a7f5c74b6135c843499955495ffa8c20d3a98288b",
        bold=True,
        slanted=True,
        mono=True,
    ),
    Font("DejaVuSerif", "107244956e9962b9e96faccdc551825e0ae0898ae13737133e1b921a2fd35ffa", serif=True),
    Font(
        "DejaVuSerif-Bold",
        "c3753f2ed6bc673f15846dc45addbeb3b9c872f32fb18fd53a21f1bef1ed7676",
        bold=True,
        serif=True,
    ),
    Font(
        "DejaVuSerif-Italic",
        "3e7994fbc54fa10ce3352a42d548fadd7d9cadb69cb1109bc9d960f6dac57f04",
        slanted=True,
        serif=True,
    ),
    Font(
        "DejaVuSerif-BoldItalic",
        "d93efec7a9d2e826768d1a2ee95b95870e15e29599a84f3484af1de1cec2e181",
        bold=True,
        slanted=True,
        serif=True,
    ),
    Font("STIXGeneral", "167378031e2dddc6216d67819c9260e9a06ffc4c478e4e23cb98a6fd44b183c2", serif=True),
    Font("STIXGeneralBol", "e8533dc7083fa346bda1933d60ea4a83b67d0945bceaf1b3541f82b4a0e2c6a0", bold=True, serif=True),
    Font(
        "STIXGeneralItalic",
        "6cfcb333d22b7c3c623bdfd40174f14c85c3d6731ca6166c1edc80140eae8527",
        slanted=True,
        serif=True,
        marks="STIXGeneral",
    ),
    Font(
        "STIXGeneralBolIta",
        "98788fd4ba48dfbb2bd026c0e20a247a8b06c7372879628b7a6bb0d5bb09736c",
        bold=True,
        slanted=True,
        serif=True,
        marks="STIXGeneralBol",
    ),
    Font(
        "cmr10",
        "4dd9761b058c009db9b2145f55ee6617d093c273dd3d6c5b3e43ff6110fa9bf6",
        serif=True,
        marks="DejaVuSerif",
        basic=True,
    ),
    Font(
        "cmb10",
        "074497b50c43ea57597181591f9893d38fc12a87e95104f5657fc2481f61a23a",
        bold=True,
        serif=True,
        marks="DejaVuSerif-Bold",
        basic=True,
    ),
    Font(
        "cmss10",
        "7df91a83d05b2e471ec638cb0b435a360a3c792b09fc42a7da67e91f2e79115a",
        marks="DejaVuSans",
        basic=True,
    ),
    Font(
        "cmti10",
        "f9f1f9f654308ae82f7be4441ae89b080896b34cc220bbea173c5e9adcfe3ef7",
        slanted=True,
        serif=True,
        marks="DejaVuSerif-Italic",
        basic=True,
    ),
    Font(
        "cmtt10",
        "6211f09ae93599991afda970c24669dad1a77e253d915624fbf212f702f071d7",
        serif=True,
        mono=True,
        marks="DejaVuSansMono",
        basic=True,
    ),
)


def font_file(name: str) -> Path:
    """Where matplotlib keeps a font.

    Raises:
        UserError: matplotlib, or the font, is not installed.
    """
    try:
        from matplotlib import get_data_path
    except ImportError as error:
        raise UserError(
            "Glyphs are rendered with the fonts of matplotlib, which is not installed: pip install matplotlib."
        ) from error
    path = Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    if not path.is_file():
        raise UserError(f"{path}: missing; glyphs are rendered with it. Reinstall matplotlib.")
    return path


@cache
def versions() -> dict[str, str]:
    """What decides the pixels besides our code: FreeType, Pillow, and which of the pinned fonts differ (``fonts``)."""
    import PIL
    from PIL import features

    different = [f.name for f in FONTS if hashlib.sha256(font_file(f.name).read_bytes()).hexdigest() != f.sha256]
    return {
        "freetype": str(features.version("freetype2")),
        "pillow": PIL.__version__,
        "fonts": AS_PINNED if not different else f"different: {', '.join(different)}",
    }


@cache
def characters(name: str) -> frozenset[int]:
    """The code points that a font's character map has."""
    from fontTools.ttLib import TTFont

    with TTFont(font_file(name), lazy=True) as font:
        return frozenset(font.getBestCmap())


@cache
def fonts_for(character: str) -> tuple[Font, ...]:
    """The fonts that have a character, in the order of :data:`FONTS`.

    Raises:
        UserError: no font has it.
    """
    basic = character.isascii() and character.isalnum()
    found = tuple(f for f in FONTS if (basic if f.basic else ord(character) in characters(f.name)))
    if not found:
        raise UserError(f"None of the {len(FONTS)} fonts has the character {character!r} (U+{ord(character):04X}).")
    return found


@lru_cache(8192)
def raster(name: str, character: str, size: int) -> np.ndarray:
    """A character cut out along its edges.

    Args:
        name: of the font.
        character: one code point; a combining mark is drawn alone.
        size: of the em, in pixels.

    Returns:
        (h, w) uint8 coverage, read-only, no empty row or column at its border.

    Raises:
        UserError: the font draws nothing for it.
    """
    from PIL import Image, ImageDraw

    canvas = Image.new("L", (4 * size, 4 * size))
    ImageDraw.Draw(canvas).text((3 * size // 2, 3 * size // 2), character, font=_sized(name, size), fill=255)
    box = canvas.getbbox()
    if box is None:
        raise UserError(f"Font {name} draws nothing for U+{ord(character):04X}.")
    cut = np.asarray(canvas.crop(box))
    cut.flags.writeable = False
    return cut


@lru_cache(256)
def _sized(name: str, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file(name)), size, layout_engine=ImageFont.Layout.BASIC)
