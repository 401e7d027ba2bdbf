"""Which classes a variant of the glyph benchmark has.

``crossed``
    every base with the same five combinations of marks: of two marks above (A, B) and one below (C) all combinations
    but the bare letter, that is A, B, C, A + C and B + C. Which marks, the seed decides. So each part is shared: a base
    by five classes, A, B and "nothing below" by two combinations each, C by three, and no single part tells the
    combinations of a base apart; who looks at the base and one mark only must fail on some. The same five for all
    bases, so that bases and marks are crossed: what is learnt about a mark on one base can be measured on another, and
    recall within a base means the same for all.
``drawn``
    every base with 30 of the 55 combinations, drawn for each base by the seed.
``unmarked``
    the 300 pretraining characters, no mark.

Explained on page: glyphs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from reproducible.data.glyphs.alphabet import ABOVE, BASES, BELOW, PRETRAINING, Glyph, script_of
from reproducible.data.glyphs.render import Difficulty
from reproducible.resources import UserError, nearest_name

DRAWN = 30
"""Combinations of each base in the plan ``drawn``."""


@dataclass(frozen=True)
class RendererPin:
    """What the fingerprints of a file were computed with: versions of our renderer, of FreeType and of Pillow."""

    version: int
    freetype: str
    pillow: str


@dataclass(frozen=True)
class Variant:
    """A data set of glyphs.

    Attributes:
        plan: which classes: a name of :data:`PLANS`.
        images: part -> images of a class.
        protocols: as in a manifest; the first is the primary one.
        fingerprint: of the store, with the pinned renderer.
        side: of the images, in pixels.
        seed: of marks, combinations and images.
        half: bases on each side of the split ``half``; 0: the variant is not split.
        difficulty: how hard it is to see the object.
    """

    title: str
    plan: str
    images: dict[str, int]
    protocols: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    fingerprint: str
    side: int = 64
    seed: int = 0
    half: int = 0
    difficulty: Difficulty = field(default_factory=Difficulty)


def glyphs_of(variant: Variant, where: str = "variant") -> tuple[Glyph, ...]:
    """The classes of a variant in the order of their ids: by base, in the order of the alphabet.

    Args:
        variant: its plan and seed count.
        where: file and field, for errors.

    Raises:
        UserError: an unknown plan, with the nearest known one.
    """
    if variant.plan not in PLANS:
        raise UserError(f"{where}: plan: there is no plan {variant.plan!r}.{nearest_name(variant.plan, PLANS)}")
    return PLANS[variant.plan](variant.seed)


def crossed(seed: int) -> tuple[Glyph, ...]:
    """Every base with five combinations."""
    stream = random.Random(f"marks {seed}")
    one, other = stream.sample(list(ABOVE), 2)
    below = stream.choice(list(BELOW))
    combinations = [(one, ""), (other, ""), ("", below), (one, below), (other, below)]
    return tuple(Glyph(base, *marks) for base in "".join(BASES.values()) for marks in combinations)


def drawn(seed: int) -> tuple[Glyph, ...]:
    """Every base with some of all combinations."""
    everything = [(above, below) for above in ("", *ABOVE) for below in ("", *BELOW)]
    found = []
    for base in "".join(BASES.values()):
        chosen = random.Random(f"combinations {seed} {base}").sample(everything, DRAWN)
        found += [Glyph(base, *marks) for marks in sorted(chosen, key=everything.index)]
    return tuple(found)


def unmarked(_: int) -> tuple[Glyph, ...]:
    """The pretraining characters, whatever the seed."""
    return tuple(Glyph(character) for character in PRETRAINING)


PLANS = {"crossed": crossed, "drawn": drawn, "unmarked": unmarked}


def grouped(glyphs: Sequence[Glyph]) -> tuple[tuple[str, ...], dict[str, tuple[int, int]]]:
    """Names of the coarse classes, which are the bases, and the ids that each kind (script) covers."""
    kinds: dict[str, tuple[int, int]] = {}
    for i, glyph in enumerate(glyphs):
        kind = "pretraining" if glyph.base in PRETRAINING else script_of(glyph.base)
        kinds[kind] = (kinds.get(kind, (i, i))[0], i)
    return tuple(dict.fromkeys(glyph.base for glyph in glyphs)), kinds
