"""Retrieval metrics, clustering metrics and the statistics of runs.

The public names are loaded on first use, so that reading records needs no torch, and training needs neither scipy nor
scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "clustering": ("kmeans", "nmi", "pairwise_f1"),
    "retrieval": ("RetrievalResult", "nearest", "needed_k", "retrieval_metrics", "retrieve"),
    "statistics": (
        "detectable_difference",
        "prediction_interval",
        "t_interval",
        "two_way_bootstrap",
    ),
}
__all__ = sorted(name for names in _PUBLIC.values() for name in names)


def __getattr__(name: str) -> Any:
    for module, names in _PUBLIC.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
