"""What a run measures beyond retrieval where its configuration asks for it (``evaluation.measures``).

- ``clusters``, at every look at the test classes: NMI and F1 of k-means of the embeddings of all their images, queries
  and gallery together, with as many clusters as classes. The clustering is the one of lowest inertia out of
  :data:`STARTS`; ``nmi_low`` to ``nmi_high`` and ``f1_low`` to ``f1_high`` are what the single starts give.
- ``gate``, at every look: quantiles of the gate, and the share that is discarded (claim V04).
- ``variances``, of the selected and of the last checkpoint: the pooled features' variances, over all training images
  as an evaluation sees them and over the test classes (claims V03, V05 and V06).

Arithmetic: :mod:`reproducible.evaluation.clustering`, :mod:`reproducible.evaluation.features`. Explained on page:
vem.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from reproducible.config import RunConfig
from reproducible.data.sampler import PKSampler
from reproducible.data.store import Store
from reproducible.evaluation import kmeans, nmi, pairwise_f1
from reproducible.evaluation.features import (
    batch_variance_errors,
    discarded_gate_share,
    gate_quantiles,
    relative_variance_error,
    variance_fisher_correlation,
)
from reproducible.records import encode_clusters
from reproducible.training.evaluate import embed
from reproducible.training.seeding import generator
from reproducible.training.sets import Sets

STARTS = 10
BATCHES = 200  # of either kind, for the error of a batch's variance
_SHOWN = 64  # images that a gate is asked for


def at_look(
    model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig, rows: Tensor
) -> tuple[dict[str, float], dict[str, str]]:
    """The measures of one look at the test classes.

    Args:
        model, images, store, sets, config: of the run.
        rows: embeddings of the test classes' queries and, behind them, of their gallery where that is another set.

    Returns:
        Numbers for the look's metrics, and ``clusters``: the cluster of each row, packed.

    Raises:
        UserError: if a gate is asked for and the model has none.
    """
    found: dict[str, float] = {}
    kept: dict[str, str] = {}
    if "clusters" in config.evaluation.measures:
        assign, found = _clusters(rows.cpu().numpy(), store.labels[_test(sets)], config.seed)
        kept["clusters"] = encode_clusters(assign)
    if "gate" in config.evaluation.measures:
        gate = _gate(model, images, store, sets, config)
        found |= gate_quantiles(gate) | {"discarded_gate_share": discarded_gate_share(gate)}
    return {name: round(value, 4) for name, value in found.items()}, kept


def at_end(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> dict[str, float]:
    """The measures of the selected or the last checkpoint; the arguments are those of :func:`at_look`."""
    if "variances" not in config.evaluation.measures:
        return {}
    test, train = _test(sets), sets.train
    unseen, seen = (embed(model, images, part, config, "conv", store.aspects).cpu().numpy() for part in (test, train))
    labels, variance = store.labels[test], seen.astype(np.float64).var(axis=0)
    found = {
        "variance_fisher_correlation": variance_fisher_correlation(unseen, labels),
        "training_variance_fisher_correlation": variance_fisher_correlation(unseen, labels, variance),
        "mean_variance": float(variance.mean()),
        "median_variance": float(np.median(variance)),
    }
    predicted = getattr(model, "predicted_variance", lambda: None)()
    if predicted is not None:
        found["mean_predicted_variance"] = float(predicted.mean())
        found["relative_variance_error"] = relative_variance_error(predicted.cpu().numpy(), variance)
    size = min(config.data.classes_per_batch * config.data.images_per_class, len(train))
    chance = np.random.default_rng(config.seed)
    drawn = [chance.choice(len(train), size, replace=False) for _ in range(BATCHES)]
    found["batch_variance_relative_error"], _ = batch_variance_errors(seen, drawn)
    sampler = PKSampler(store.labels[train], sets.classes, config.data.classes_per_batch, config.data.images_per_class)
    balanced = [sampler.indices(generator(config.seed, "measures", number)) for number in range(BATCHES)]
    errors = batch_variance_errors(seen, balanced)
    found["balanced_batch_variance_relative_error"], found["balanced_batch_variance_bias"] = errors
    return {name: round(value, 4) for name, value in found.items()}


def _test(sets: Sets) -> np.ndarray:
    """Queries of the test classes and, where it is another set, their gallery behind them."""
    queries, gallery = sets.evaluation["test"]
    return queries if np.array_equal(queries, gallery) else np.concatenate((queries, gallery))


def _clusters(rows: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Cluster of each row from the start of lowest inertia; its NMI and F1, and the ranges over all starts."""
    k = len(np.unique(labels))
    starts = [kmeans(rows, k, seed=1000 * seed + number, restarts=1) for number in range(STARTS)]
    best = min(range(STARTS), key=lambda number: _inertia(rows, starts[number]))
    found: dict[str, float] = {}
    for name, score in (("nmi", nmi), ("f1", pairwise_f1)):
        scores = [100 * score(labels, assign) for assign in starts]
        found |= {name: scores[best], f"{name}_low": min(scores), f"{name}_high": max(scores)}
    return starts[best], found


def _inertia(rows: np.ndarray, assign: np.ndarray) -> float:
    """Sum over clusters of the squared distances from their mean."""
    return sum(
        float(((part - part.mean(axis=0)) ** 2).sum()) for k in np.unique(assign) for part in [rows[assign == k]]
    )


def _gate(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> np.ndarray:
    """The gate of each channel (or position, or dimension); the mean over some images where it depends on them.

    Raises:
        UserError: if the model has none.
    """
    shown = sets.train[:: max(1, len(sets.train) // _SHOWN)]
    found = embed(model, images, shown, config, "gate", store.aspects)
    return found.flatten(0, -2).mean(dim=0).cpu().numpy()
