"""What is known of each image in words: the K binary attributes that attribute branches learn (SGML section III.B).

Of glyphs
    names of the class, which several classes share: script, capital or small, each mark; and bits of the image: bold,
    slanted, serif, mono, occluded. The letter is left out: with it the attributes would name the class, and their
    similarity would be one of labels. The bits of the image make two images of a class differ.
Of photographs
    what their source says of each image; where it speaks of classes, all images of a class have the class's. A share
    (of people who saw the attribute, say) counts as present from a threshold on.

Explained on page: glyphs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reproducible.data.glyphs.alphabet import Glyph
from reproducible.data.glyphs.alphabet import attributes as names_of
from reproducible.data.store import Store

KINDS = ("script", "case", "above", "below")
"""What glyphs of different letters share by name."""

_PER_CENT = 100  # class attributes of CUB-200-2011


@dataclass(frozen=True)
class Attributes:
    """Attributes of the images of a store.

    Attributes:
        names: of the K attributes.
        present: (N, K) bool.
    """

    names: tuple[str, ...]
    present: np.ndarray


def attributes_of(store: Store, threshold: float = 0.5) -> Attributes | None:
    """The attributes of a data set; None where it has none.

    Args:
        store: the prepared data set.
        threshold: the share from which on an attribute counts as present.
    """
    if store.class_parts and store.attributes is not None:
        return _of_glyphs(store)
    if store.attributes is not None:
        return Attributes(store.attribute_names, store.attributes >= threshold)
    if store.class_attributes is not None:
        present = store.class_attributes[store.labels] >= _PER_CENT * threshold
        return Attributes(tuple(f"attribute {k + 1}" for k in range(present.shape[1])), present)
    return None


def _of_glyphs(store: Store) -> Attributes:
    named = [names_of(Glyph(*parts)) for parts in store.class_parts]
    values = [(kind, value) for kind in KINDS for value in dict.fromkeys(n[kind] for n in named) if value != "none"]
    of_class = np.array([[n[kind] == value for kind, value in values] for n in named])
    present = np.concatenate([of_class[store.labels], store.attributes.astype(bool)], axis=1)
    return Attributes((*(f"{kind} {value}" for kind, value in values), *store.attribute_names), present)
