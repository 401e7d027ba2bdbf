"""What a data card shows: origin, counts, contact sheets, overlap with ImageNet's labels, near-duplicates.

Explained on page: data-card.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.data.attributes import attributes_of
from reproducible.data.glyphs.roles import Split
from reproducible.data.manifest import PARTS, ArchiveManifest, Manifest, PhotoManifest, load_manifest
from reproducible.data.photographs.locate import what_to_do
from reproducible.data.photographs.plan import counted
from reproducible.data.splits import declared, names_of, split
from reproducible.data.store import Store, open_store, state
from reproducible.resources import UserError, nearest_name

if TYPE_CHECKING:
    import pandas as pd

_FEW = 5  # attributes that a card names


def card(source: str | Manifest) -> str:
    """The card of a data set as text: what it is, its protocols and known defects; its images where it is prepared,
    what can be put where otherwise.

    Args:
        source: data set, as for ``load_manifest``.
    """
    manifest = load_manifest(source)
    lines = [manifest.title, f"Attribution: {manifest.attribution}", f"Licence: {manifest.licence.name}"]
    lines += [f"Origin: {manifest.origin}", f"Images by part: {manifest.counts}"]
    for name, (queries, gallery) in manifest.protocols.items():
        lines.append(f"Protocol {name}: {', '.join(queries)} among {', '.join(gallery)}")
    if isinstance(manifest, PhotoManifest):
        held_out = manifest.validation.classes
        lines.append(f"Classes by part: {manifest.classes}; {held_out} of those trained on are held out for validation")
        lines += [f"Known: {defect}" for defect in manifest.defects]
    if state(manifest) == "prepared":
        store = open_store(manifest)
        side = store.images.shape[1]
        agrees = {store.fingerprint: "as the manifest says", "": "the manifest states none"}
        said = agrees.get(manifest.fingerprint, f"the manifest says {manifest.fingerprint}: other pixels or labels")
        lines += ["", f"Prepared at {side} x {side}, fingerprint {store.fingerprint}: {said}"]
        lines += [f"Made from: {store.source['source']}"] if store.source else []
        lines += [f"Found: {remark}" for remark in store.source.get("remarks", ())]
        if isinstance(manifest, PhotoManifest):
            lines += roles_said(store, split(store, declared(manifest)))
        if (known := attributes_of(store)) is not None:
            lines.append(f"Attributes: {len(known.names)}, the first of them {', '.join(known.names[:_FEW])}")
        lines += ["", counts_table(store).to_string()]
    elif isinstance(manifest, PhotoManifest) and state(manifest) == "not here":
        lines += ["", what_to_do(manifest)]
    return "\n".join(lines)


def roles_said(store: Store, roles: Split) -> list[str]:
    """A line for each role: how many classes it has, and the first of them."""
    said = {"train": "trained on", "validation": "held out for validation", "test": "tested on"}
    return [counted(f"classes {said[role]}", names) for role, names in names_of(store, roles).items()]


def counts_table(store: Store) -> pd.DataFrame:
    """Classes, coarse classes and images by part, one row a kind and one for all."""
    import pandas as pd

    kind_of_image = np.asarray(store.kinds)[store.labels]
    present = set(store.parts.tolist())
    parts = [*(part for part in PARTS if part in present), *sorted(present - set(PARTS))]
    rows = {}
    for kind in (*dict.fromkeys(store.kinds), "all"):
        chosen = np.ones(len(store.labels), bool) if kind == "all" else kind_of_image == kind
        rows[kind] = {
            "classes": len(np.unique(store.labels[chosen])),
            "coarse classes": len(np.unique(store.coarse[chosen])),
            **{part: int((chosen & (store.parts == part)).sum()) for part in parts},
            "images": int(chosen.sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def examples(store: Store, classes: Sequence[int], part: str, each: int, seed: int) -> np.ndarray:
    """Indices of images to show, drawn by a seeded rule: ``each`` distinct images of a part for every class in turn.

    Args:
        store: where to draw from.
        classes: class ids in the order in which they are to be shown.
        part: "train", "val", "test" or "iconic".
        each: images of a class; a class that has fewer shows all of them.
        seed: of the draw; a class shows the same images whatever other classes are shown.

    Returns:
        Int64 indices into the store, the images of a class side by side.
    """
    chosen: list[int] = []
    for c in classes:
        images = np.flatnonzero((store.labels == c) & (store.parts == part)).tolist()
        chosen += random.Random(f"examples {seed} {part} {c}").sample(images, min(each, len(images)))
    return np.array(chosen, np.int64)


def contact_sheet(store: Store, indices: Sequence[int] | np.ndarray, columns: int = 12, gap: int = 4) -> np.ndarray:
    """Images side by side, row after row, on white.

    Args:
        store: where the images are.
        indices: which ones, in reading order.
        columns: images in a row.
        gap: pixels between two images.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UserError: no image, or no column.
    """
    if len(indices) == 0 or columns < 1:
        raise UserError(f"Contact sheet: nothing to show ({len(indices)} images in {columns} columns).")
    side = store.images.shape[1]
    columns = min(columns, len(indices))
    rows = -(-len(indices) // columns)
    sheet = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap, 3), 255, np.uint8)
    for position, index in enumerate(indices):
        top, left = (side + gap) * (position // columns), (side + gap) * (position % columns)
        sheet[top : top + side, left : left + side] = store.images[index]
    return sheet


def imagenet_labels(manifest: ArchiveManifest, store: Store) -> dict[int, str]:
    """Class id -> the ImageNet-1k label that names or contains it, for the classes that have one.

    Raises:
        UserError: the manifest names a class that the data set does not have, with the nearest name.
    """
    found = {}
    for label, names in manifest.imagenet_overlap.items():
        for name in names:
            if name not in store.class_names:
                raise UserError(
                    f"Data set {manifest.name!r}, imagenet_overlap, {label}: there is no class {name!r}."
                    f"{nearest_name(name, store.class_names)}"
                )
            found[store.class_names.index(name)] = label
    return dict(sorted(found.items()))


def nearest_same_class(
    queries: Tensor,
    gallery: Tensor,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Cosine of each query to the nearest gallery image of its own class.

    Args:
        queries: (Q, D) embeddings on any device; need not be normalised.
        gallery: (G, D) embeddings on the same device.
        query_labels: (Q,) class ids.
        gallery_labels: (G,) class ids.
        own: (Q,) where each query itself lies in the gallery, to be left out; -1 where it does not.

    Returns:
        (Q,) float32; -inf for a query with no other image of its class in the gallery.
    """
    queries, gallery = F.normalize(queries.float(), dim=1), F.normalize(gallery.float(), dim=1)
    best = np.full(len(queries), -np.inf, np.float32)
    for c in np.unique(query_labels):
        q, g = np.flatnonzero(query_labels == c), np.flatnonzero(gallery_labels == c)
        if len(g) == 0:
            continue
        cosine = queries[torch.from_numpy(q)] @ gallery[torch.from_numpy(g)].T
        if own is not None:
            itself = torch.from_numpy(own[q][:, None] == g[None, :])
            cosine = cosine.masked_fill(itself.to(cosine.device), -torch.inf)
        best[q] = cosine.amax(1).cpu().numpy()
    return best


def near_duplicates(
    queries: Tensor,
    gallery: Tensor,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    threshold: float,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """(Q,) bool: queries with a gallery image of their own class above a cosine; see :func:`nearest_same_class`."""
    return nearest_same_class(queries, gallery, query_labels, gallery_labels, own) > threshold
