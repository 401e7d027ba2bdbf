"""Which characters a reader, or a network, could take for each other: a check on rasters.

Two characters are cut out along their edges, squashed to 16 x 16 and compared where one of the fonts has both. Their
likeness is the common ink over the ink of either (intersection over union), times the smaller over the larger of their
aspects; of all fonts the highest counts. Explained on page: glyphs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image

from reproducible.data.glyphs.alphabet import BASES, DISTRACTORS, LEFT_OUT
from reproducible.data.glyphs.fonts import EM, FONTS, characters, fonts_for, raster
from reproducible.resources import UserError

ALIKE = 0.84
"""Likeness from which two characters count as look-alikes; E and F, at 0.83, are told apart."""

_SIDE = 16
_NAMES = ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral", "STIXGeneralItalic")
_COMPARED = tuple(f for f in FONTS if f.name in _NAMES)  # none bold: in bold type all letters come near each other
_CATEGORIES = ("Lu", "Ll", "Lo", "Nd", "No", "Nl", "Sm", "So", "Sc", "Po", "Pd", "Ps")


class Inks:
    """Characters ready to be compared.

    Args:
        characters: any that at least one of the fonts has.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        shape = len(_COMPARED), len(characters)
        self.ink = np.zeros((*shape, _SIDE**2), np.float32)
        self.aspect = np.full(shape, np.nan)
        for f, font in enumerate(_COMPARED):
            for i, character in enumerate(characters):
                if font in fonts_for(character):
                    cut = raster(font.name, character, EM)
                    small = Image.fromarray(cut).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
                    self.ink[f, i] = np.asarray(small).ravel()
                    self.aspect[f, i] = cut.shape[1] / cut.shape[0]

    def likeness(self, one: int, others: Sequence[int]) -> np.ndarray:
        """Likeness of character number ``one`` to ``others``: (len(others),), 0 where no font has both."""
        others, best = np.asarray(others, int), np.zeros(len(others))
        for ink, aspect in zip(self.ink, self.aspect, strict=True):
            both = ~np.isnan(aspect[others]) & ~np.isnan(aspect[one])
            places = others[both]
            if len(places):
                common = np.minimum(ink[one], ink[places]).sum(1) / np.maximum(ink[one], ink[places]).sum(1)
                ratio = aspect[one] / aspect[places]
                best[both] = np.maximum(best[both], common * np.minimum(ratio, 1 / ratio))
        return best


def pairs(characters: Sequence[str], least: float = ALIKE) -> list[tuple[str, str, float]]:
    """Pairs of characters that look alike with their likeness, the most alike first."""
    inks, found = Inks(characters), []
    for i, one in enumerate(characters):
        values = inks.likeness(i, range(i)).tolist()
        found += [(other, one, v) for other, v in zip(characters, values, strict=False) if v >= least]
    return sorted(found, key=lambda pair: -pair[2])


def candidates(least_fonts: int = 12, apart: float = 0.75) -> str:
    """Characters fit for pretraining: in at least so many fonts, no part of the benchmark, unlike all of it.

    Unmarked ones only (without a decomposition), in the order of their code points; of those that look like each other
    the first.

    Args:
        least_fonts: fonts that must have a character.
        apart: likeness to a character of the benchmark or to a distractor from which one is left out.
    """
    everywhere = sorted(set().union(*(characters(f.name) for f in FONTS if not f.basic)))
    benchmark = "".join(BASES.values()) + DISTRACTORS
    reserved = set(benchmark + "".join(LEFT_OUT))
    fit = [c for c in map(chr, everywhere) if c not in reserved and _unmarked(c) and len(fonts_for(c)) >= least_fonts]
    compared = [*benchmark, *filter(_large, fit)]
    inks, forbidden, chosen = Inks(compared), range(len(benchmark)), []
    for i in range(len(benchmark), len(compared)):
        if inks.likeness(i, forbidden).max() < apart and inks.likeness(i, chosen).max(initial=0) < ALIKE:
            chosen.append(i)
    return "".join(compared[i] for i in chosen)


def _unmarked(character: str) -> bool:
    """Whether a character is a letter, number, sign or symbol that Unicode does not take apart, and no building block
    of frames and bars: these are alike but for the weight of a line."""
    block = 0x2500 <= ord(character) < 0x25A0 or ord(character) >= 0xFFF0
    return not (block or unicodedata.decomposition(character)) and unicodedata.category(character) in _CATEGORIES


def _large(character: str) -> bool:
    """Whether a character, in its first font, is neither low nor narrow nor blank."""
    try:
        height, width = raster(fonts_for(character)[0].name, character, EM).shape
    except UserError:  # blank
        return False
    return height >= 40 and width >= 16
