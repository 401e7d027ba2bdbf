"""What is left of retrieval where the ground behind the objects is another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproducible.data.glyphs.source import grounds
from reproducible.data.manifest import GlyphManifest, load_manifest
from reproducible.data.store import Store
from reproducible.evaluation import nearest
from reproducible.training.evaluate import EMBEDDING, Embedder, embed_all
from reproducible.training.measures.base import Measure, few, refuse
from reproducible.training.sets import Sets
from reproducible.types import Output


class Background(Measure):
    """Of the selected and of the last checkpoint, on rendered images: Recall@1 of some test queries with the ground of
    an image of another class in the place of their own, ``other_ground_recall``, and that in per cent of their Recall@1
    as they are, ``background_robustness`` (claims B06 and B24; 0 where that is 0). The gallery stays as it is; a query
    does not find itself.

    What is not seen of the object (:data:`reproducible.data.glyphs.render.Rendered.mask`) is the other's ground, with
    its clutter and without its object: what stood in front of the object goes as well.
    """

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        rendered = embedder.store.masks is not None and isinstance(load_manifest(embedder.store.name), GlyphManifest)
        if not (rendered and isinstance(embedder.images, Tensor)):
            raise refuse(f"Data set {embedder.store.name!r} has no grounds without objects", "background")

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        store, (queries, gallery) = embedder.store, sets.evaluation["test"]
        asked = few(sets)
        own = np.searchsorted(queries, asked) if np.array_equal(queries, gallery) else None
        there = embedder.rows(gallery)
        found = {}
        for name, rows in (("own", embedder.rows(asked)), ("other", self._elsewhere(embedder, asked))):
            ids, _ = nearest(rows, there, 1, own=own)
            found[name] = float((store.labels[gallery][ids[:, 0]] == store.labels[asked]).mean())
        kept = found["other"] / found["own"] if found["own"] else 0.0
        return {
            "background_robustness": round(100 * kept, 4),
            "other_ground_recall": round(100 * found["other"], 4),
        }

    def _elsewhere(self, embedder: Embedder, asked: np.ndarray) -> Tensor:
        """Embeddings of the queries on the grounds of others."""
        images = torch.from_numpy(on_other_grounds(embedder.store, asked)).to(embedder.images.device)
        every = np.arange(len(asked))
        return embed_all(embedder.model, images, every, embedder.config, (EMBEDDING,))[EMBEDDING]


def on_other_grounds(store: Store, indices: np.ndarray) -> np.ndarray:
    """Rendered images, each on the ground of the one that stands half the list further on, (len(indices), S, S, 3).

    Args:
        store: of glyphs.
        indices: of the images, class after class, so that the other is of another class.
    """
    variant = load_manifest(store.name).variant
    others = grounds(variant, np.roll(indices, -(len(indices) // 2)))
    return np.where((store.masks[indices] > 0)[..., None], store.images[indices], others)
