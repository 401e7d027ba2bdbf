"""How the embeddings of the test classes cluster."""

from __future__ import annotations

import numpy as np

from reproducible.encoding import encode_clusters
from reproducible.evaluation import kmeans, nmi, pairwise_f1
from reproducible.training.evaluate import Embedder, looked_at
from reproducible.training.measures.base import Measure
from reproducible.training.sets import Sets

STARTS = 10


class Clusters(Measure):
    """At every look at the test classes: NMI and F1 of k-means of the embeddings of all their images, queries and
    gallery together, with as many clusters as classes.

    The clustering is the one of lowest inertia out of :data:`STARTS`; ``nmi_low`` to ``nmi_high`` and ``f1_low`` to
    ``f1_high`` are what the single starts give. A point keeps ``clusters``, the cluster of each row, packed.
    """

    def at_look(self, embedder: Embedder, sets: Sets) -> tuple[dict[str, float], dict[str, str]]:
        """As of :class:`Measure`."""
        test, seed = looked_at(sets.evaluation["test"]), embedder.config.seed
        rows, labels = embedder.rows(test).cpu().numpy(), embedder.store.labels[test]
        k = len(np.unique(labels))
        starts = [kmeans(rows, k, seed=1000 * seed + number, restarts=1) for number in range(STARTS)]
        best = min(range(STARTS), key=lambda number: _inertia(rows, starts[number]))
        found: dict[str, float] = {}
        for name, score in (("nmi", nmi), ("f1", pairwise_f1)):
            scores = [100 * score(labels, assign) for assign in starts]
            found |= {name: scores[best], f"{name}_low": min(scores), f"{name}_high": max(scores)}
        return found, {"clusters": encode_clusters(starts[best])}


def _inertia(rows: np.ndarray, assign: np.ndarray) -> float:
    """Sum over clusters of the squared distances from their mean."""
    return sum(
        float(((part - part.mean(axis=0)) ** 2).sum()) for k in np.unique(assign) for part in [rows[assign == k]]
    )
