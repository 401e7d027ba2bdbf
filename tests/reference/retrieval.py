"""Retrieval metrics as literally as they are defined: float64, every cosine, a full sort, one query at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Rows = np.ndarray


def cosine(a: Rows, b: Rows) -> float:
    """Cosine of two float64 vectors; 0 if one of them is zero."""
    lengths = math.sqrt(math.fsum(a * a)) * math.sqrt(math.fsum(b * b))
    return math.fsum(a * b) / lengths if lengths else 0.0


def full_sort(queries: Rows, gallery: Rows, own: Sequence[int] | None = None) -> list[list[int]]:
    """For each query all gallery indices but its own, by falling cosine, equal ones by rising index.

    Equal means equal to the nearest 2**-30, so that rows that differ in length alone tie.
    """
    ranked = []
    for q, query in enumerate(queries.astype(np.float64)):
        cosines = [round(cosine(query, row) * 2**30) for row in gallery.astype(np.float64)]
        others = [g for g in range(len(gallery)) if own is None or g != own[q]]
        ranked.append(sorted(others, key=lambda g: (-cosines[g], g)))
    return ranked


def metrics(
    ranked: list[list[int]], query_labels: Sequence[int], gallery_labels: Sequence[int], ks: Sequence[int]
) -> dict[str, float]:
    """Recall@K, P@1, R-precision, MAP@R and Recall@1 by class, from full rankings without the query itself."""
    recalls: dict[int, list[float]] = {k: [] for k in ks}
    r_precisions, average_precisions = [], []
    by_class: dict[int, list[float]] = {}
    skipped = 0
    for ranking, label in zip(ranked, query_labels, strict=True):
        relevance = [gallery_labels[g] == label for g in ranking]
        r = sum(relevance)
        if r == 0:
            skipped += 1
            continue
        for k in ks:
            recalls[k].append(float(any(relevance[:k])))
        by_class.setdefault(label, []).append(float(relevance[0]))
        r_precisions.append(sum(relevance[:r]) / r)
        total = 0.0
        for i in range(1, r + 1):
            if relevance[i - 1]:
                total += sum(relevance[:i]) / i
        average_precisions.append(total / r)
    found = {f"recall_at_{k}": _mean(values) for k, values in recalls.items()}
    return found | {
        "precision_at_1": _mean([hit for hits in by_class.values() for hit in hits]),
        "macro_recall_at_1": _mean([_mean(hits) for hits in by_class.values()]),
        "r_precision": _mean(r_precisions),
        "map_at_r": _mean(average_precisions),
        "unanswerable": skipped,
    }


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
