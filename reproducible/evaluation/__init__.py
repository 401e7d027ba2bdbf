"""Retrieval metrics, clustering metrics and the statistics of verdicts.

The public names are loaded on first use, so that reading verdicts needs no torch, and training needs neither scipy nor
scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "coverage": ("Coverage", "simulate_coverage"),
    "clustering": ("kmeans", "nmi", "pairwise_f1"),
    "retrieval": ("RetrievalResult", "nearest", "needed_k", "retrieval_metrics"),
    "statistics": (
        "Verdict",
        "detectable_difference",
        "holm",
        "judge",
        "paired_p",
        "prediction_interval",
        "seeds_needed",
        "sign_test",
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
