"""What a run's name says of its data: the fingerprint of the images and, where it is not the one that ships with them,
how their classes are divided and asked for.

The fingerprint of a store holds pixels, classes and parts. Which of the classes are validated and tested on, and which
images are queries and gallery, the manifest says; two runs on the same images that differ in that are two runs.
Explained on page: data-card.
"""

from __future__ import annotations

import hashlib
import json

from reproducible.data.manifest import ArchiveManifest, GlyphManifest, Manifest, PhotoManifest, load_manifest
from reproducible.data.store import Store

SHIPPED = {
    "caltech101_boxes24": "2818a5fed87734a5",
    "cars196": "b23624cdb236fe38",
    "cars196_cropped": "b23624cdb236fe38",
    "cub100_cropped": "592713c3e2d31892",
    "cub200": "b23624cdb236fe38",
    "glyphs": "7ffcd2263065a030",
    "glyphs-96": "7ffcd2263065a030",
    "glyphs-clutter-0": "7ffcd2263065a030",
    "glyphs-clutter-2": "7ffcd2263065a030",
    "glyphs-clutter-4": "7ffcd2263065a030",
    "glyphs-instance": "8b5b216b448ef825",
    "glyphs-occlusion-0": "7ffcd2263065a030",
    "glyphs-occlusion-1": "7ffcd2263065a030",
    "glyphs-pretraining": "30f43c9037d6bd1b",
    "groceries": "ce97613477b1aae5",
    "inshop": "b523eb157a3c21dc",
    "sop": "f346d5df8d355936",
}
"""Division of each data set that ships with a manifest, as it was when its first runs were named."""


def identity(store: Store) -> str:
    """What a run's digest holds of a data set: its fingerprint, with ``+`` and the division if that is not the one that
    ships.

    Raises:
        UserError: if there is no data set of the store's name.
    """
    found = division(load_manifest(store.name), store)
    return store.fingerprint if SHIPPED.get(store.name.partition("@")[0]) == found else f"{store.fingerprint}+{found}"


def division(manifest: Manifest, store: Store | None = None) -> str:
    """Hash of what decides who is trained, validated and tested on, beside the parts of the images: 16 hexadecimal
    digits.

    Args:
        manifest: of the data set.
        store: whose protocols hold; None: the manifest's.
    """
    protocols = manifest.protocols if store is None else store.protocols
    rule: dict[str, object] = {
        "protocols": [[name, *sides] for name, sides in protocols.items()]
    }  # the first is primary
    if isinstance(manifest, GlyphManifest):
        rule["half"] = manifest.variant.half
    if isinstance(manifest, ArchiveManifest | PhotoManifest):
        rule["validation"] = vars(manifest.validation)
        rule["kinds"] = manifest.kinds
    return hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()[:16]
