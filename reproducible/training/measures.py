"""What a run measures beyond retrieval where its configuration asks for it (``evaluation.measures``).

- ``clusters``, at every look at the test classes: NMI and F1 of k-means of the embeddings of all their images, queries
  and gallery together, with as many clusters as classes. The clustering is the one of lowest inertia out of
  :data:`STARTS`; ``nmi_low`` to ``nmi_high`` and ``f1_low`` to ``f1_high`` are what the single starts give.
- ``gate``, at every look: quantiles of the gate, and the share that is discarded (claim V04).
- ``variances``, of the selected and of the last checkpoint: the pooled features' variances, over all training images
  as an evaluation sees them and over the test classes (claims V03, V05 and V06).
- ``branches``, of both checkpoints: how alike the J branches of a scale are on test images, as mean cosines in per
  cent: ``learner_cosine`` and, where there are gates, ``gate_cosine``, means over the pairs (claims D21, D22 and D24),
  and all pairs of each scale, ``learner_overlap`` and ``gate_overlap``.
- ``windows``, of both checkpoints: of each scale behind the first, the per cent of test images whose window is the
  whole one before for want of an object (``whole_2`` ...), and the mean side of the window in per cent of the image's
  (``side_2`` ...).
- ``attributes``, of both checkpoints, where parts are known: mean average precision of their probes on the embedding,
  ``attribute_probe_map`` (claim D02), and, where there are branches, how differently their pooled features serve them:
  the standard deviation over branches of the accuracy of each probe, averaged over parts and scales,
  ``gate_attribute_selectivity`` (claim D25).

Arithmetic: :mod:`reproducible.evaluation.clustering`, :mod:`reproducible.evaluation.features` and
:mod:`reproducible.evaluation.probes`.
Explained on pages: vem, channel-attention.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from reproducible.config import RunConfig
from reproducible.data.sampler import PKSampler
from reproducible.data.store import Store
from reproducible.encoding import encode_clusters
from reproducible.evaluation import kmeans, nmi, pairwise_f1
from reproducible.evaluation.features import (
    batch_variance_errors,
    discarded_gate_share,
    gate_quantiles,
    mean_overlap,
    overlap,
    relative_variance_error,
    variance_fisher_correlation,
)
from reproducible.evaluation.probes import attribute_map, part_probes
from reproducible.resources import UserError
from reproducible.training.evaluate import EMBEDDING, embed, embed_all, looked_at
from reproducible.training.seeding import generator
from reproducible.training.sets import Sets

STARTS = 10
BATCHES = 200  # of either kind, for the error of a batch's variance
_SHOWN = 64  # images that a gate is asked for
_COMPARED = 512  # test images at most that branches and windows are looked at on


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
        assign, found = _clusters(rows.cpu().numpy(), store.labels[looked_at(sets.evaluation["test"])], config.seed)
        kept["clusters"] = encode_clusters(assign)
    if "gate" in config.evaluation.measures:
        gate = _gate(model, images, store, sets, config)
        found |= gate_quantiles(gate) | {"discarded_gate_share": discarded_gate_share(gate)}
    return {name: round(value, 4) for name, value in found.items()}, kept


def at_end(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> dict[str, Any]:
    """The measures of the selected or the last checkpoint; the arguments are those of :func:`at_look`.

    Raises:
        UserError: if the model or the data set has not what is asked for.
    """
    kinds = {"variances": _variances, "branches": _branches, "windows": _windows, "attributes": _attributes}
    found: dict[str, Any] = {}
    for name, take in kinds.items():
        if name in config.evaluation.measures:
            found |= take(model, images, store, sets, config)
    return found


def _variances(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> dict[str, float]:
    test, train = looked_at(sets.evaluation["test"]), sets.train
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


def _branches(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> dict[str, Any]:
    gates = [f"gate_{scale + 1}" for scale in range(len(getattr(model, "gates", ())))]
    rows = embed_all(model, images, _few(sets), config, ("emb", *gates), store.aspects)
    learned = _by_branch(model, rows["emb"].cpu().numpy())
    kinds = {"learner": [overlap(scale) for scale in learned]}
    if gates:
        kinds["gate"] = [overlap(np.moveaxis(rows[name].cpu().numpy(), 1, 0)) for name in gates]
    found: dict[str, Any] = {}
    for name, scales in kinds.items():
        found[f"{name}_cosine"] = round(float(np.mean([mean_overlap(scale) for scale in scales])), 4)
        found[f"{name}_overlap"] = [np.round(scale, 1).tolist() for scale in scales]
    return found


def _windows(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> dict[str, float]:
    numbers = range(2, getattr(model, "scales", 1) + 1)
    names = [f"{what}_{number}" for number in numbers for what in ("whole", "window")]
    rows = embed_all(model, images, _few(sets), config, names, store.aspects)
    found = {}
    for number in numbers:
        found[f"whole_{number}"] = 100 * float(rows[f"whole_{number}"].mean())
        sides = rows[f"window_{number}"][:, 2:] - rows[f"window_{number}"][:, :2]
        found[f"side_{number}"] = 100 * float(sides.prod(dim=1).sqrt().mean())
    return {name: round(value, 4) for name, value in found.items()}


def _attributes(model: nn.Module, images: Tensor, store: Store, sets: Sets, config: RunConfig) -> dict[str, float]:
    if not store.class_parts:
        raise UserError(f"Data set {store.name!r} knows no parts of its classes; leave out the measure attributes.")
    test = looked_at(sets.evaluation["test"])
    parts = [store.class_parts[label] for label in store.labels[test]]
    rows = embed_all(model, images, test, config, (EMBEDDING, "conv"), store.aspects)
    found = {"attribute_probe_map": 100 * attribute_map(rows[EMBEDDING].cpu().numpy(), parts)}
    if getattr(model, "branches", 1) > 1:
        pooled = _by_branch(model, rows["conv"].cpu().numpy())
        read = [[[*part_probes(branch, parts).values()] for branch in scale] for scale in pooled]  # (I, J, parts)
        found["gate_attribute_selectivity"] = 100 * float(np.std(read, axis=1).mean())
    return {name: round(value, 4) for name, value in found.items()}


def _few(sets: Sets) -> np.ndarray:
    """Test queries, evenly chosen."""
    queries, _ = sets.evaluation["test"]
    return queries[:: -(-len(queries) // _COMPARED)]


def _by_branch(model: nn.Module, rows: np.ndarray) -> np.ndarray:
    """Features of all branches side by side, (N, I J d), as (I, J, N, d).

    Raises:
        UserError: if the model has no two branches.
    """
    scales, branches = getattr(model, "scales", 1), getattr(model, "branches", 1)
    if branches < 2:
        raise UserError(f"{type(model).__name__} has no branches to compare; leave out the measure branches.")
    return np.moveaxis(rows.reshape(len(rows), scales, branches, -1), 0, 2)


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
