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
  ``attribute_probe_map`` (claim D02), and, where there are branches, the accuracies of the probes on the output of each
  learner, by scale and branch, ``learner_probe_base`` ..., and what the branches' pooled features lean to: the probes'
  accuracies less the branch's own mean over parts, their standard deviation over branches, averaged over parts and
  scales, ``gate_attribute_selectivity`` (D25). A branch that is better at every part alike adds nothing to it.

Arithmetic: :mod:`reproducible.evaluation.clustering`, :mod:`reproducible.evaluation.features` and
:mod:`reproducible.evaluation.probes`.
Explained on pages: vem, channel-attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from reproducible.config import RunConfig
from reproducible.data.sampler import PKSampler
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
from reproducible.evaluation.probes import part_probes, probe_map
from reproducible.resources import UserError
from reproducible.training.evaluate import EMBEDDING, Embedder, embed_all, looked_at, parts_of
from reproducible.training.seeding import generator
from reproducible.training.sets import Sets
from reproducible.types import Output

STARTS = 10
BATCHES = 200  # of either kind, for the error of a batch's variance
_SHOWN = 64  # images that a gate is asked for
_COMPARED = 512  # test images at most that branches and windows are looked at on
_WITHOUT = "evaluation.measures without {}"


def features(output: Output, config: RunConfig) -> tuple[str, ...]:
    """What a pass over images keeps (:class:`reproducible.training.evaluate.Embedder`) for all looks of a run.

    Args:
        output: of the model, for any image.
        config: of the run.
    """
    asked = config.evaluation.measures
    pooled = ("conv",) if {"variances", "attributes"} & set(asked) else ()
    learned = ("emb",) if "attributes" in asked and _branched(output) else ()
    windows = _windows_of(output) if "windows" in asked else ()
    return (EMBEDDING, *config.evaluation.features, *pooled, *learned, *windows)


def check(embedder: Embedder, sets: Sets) -> tuple[str, ...]:
    """Ask for everything that the looks of a run will ask for, of one image, before anything is trained.

    Args:
        embedder: the model and the images.
        sets: of the run.

    Returns:
        The :func:`features` that a pass has to keep.

    Raises:
        UserError: if the model or the data set has not what is asked for.
    """
    config, model = embedder.config.evaluation, embedder.model
    if config.parts:
        parts_of(embedder.store, "evaluation.parts to false")
    if "attributes" in config.measures:
        parts_of(embedder.store, _WITHOUT.format("attributes"))
    output = embedder.output(sets.train[:1])
    if "branches" in config.measures and not _branched(output):
        raise UserError(f"{type(model).__name__} has no branches to compare; set {_WITHOUT.format('branches')}.")
    if "windows" in config.measures and not _windows_of(output):
        raise UserError(f"{type(model).__name__} has no windows; set {_WITHOUT.format('windows')}.")
    kept = features(output, embedder.config)
    more = ("gate",) if "gate" in config.measures else ()
    more += ("emb", *_gates_of(output)) if "branches" in config.measures else ()
    _pass(embedder, sets.train[:1], (*kept, *more))
    return kept


def at_look(embedder: Embedder, sets: Sets) -> tuple[dict[str, float], dict[str, str]]:
    """The measures of one look at the test classes.

    Args:
        embedder: the model and the images, which keeps :func:`features`.
        sets: of the run.

    Returns:
        Numbers for the look's metrics, and ``clusters``: the cluster of each row, packed.
    """
    found: dict[str, float] = {}
    kept: dict[str, str] = {}
    config, test = embedder.config, looked_at(sets.evaluation["test"])
    if "clusters" in config.evaluation.measures:
        assign, found = _clusters(embedder.rows(test).cpu().numpy(), embedder.store.labels[test], config.seed)
        kept["clusters"] = encode_clusters(assign)
    if "gate" in config.evaluation.measures:
        gate = _gate(embedder, sets)
        found |= gate_quantiles(gate) | {"discarded_gate_share": discarded_gate_share(gate)}
    return {name: round(value, 4) for name, value in found.items()}, kept


def at_end(embedder: Embedder, sets: Sets) -> dict[str, Any]:
    """The measures of the selected or the last checkpoint; the arguments are those of :func:`at_look`."""
    kinds = {"variances": _variances, "branches": _branches, "windows": _windows, "attributes": _attributes}
    found: dict[str, Any] = {}
    for name, take in kinds.items():
        if name in embedder.config.evaluation.measures:
            found |= take(embedder, sets)
    return found


def _variances(embedder: Embedder, sets: Sets) -> dict[str, float]:
    store, config = embedder.store, embedder.config
    test, train = looked_at(sets.evaluation["test"]), sets.train
    unseen, seen = (embedder.rows(part, "conv").cpu().numpy() for part in (test, train))
    labels, variance = store.labels[test], seen.astype(np.float64).var(axis=0)
    found = {
        "variance_fisher_correlation": variance_fisher_correlation(unseen, labels),
        "training_variance_fisher_correlation": variance_fisher_correlation(unseen, labels, variance),
        "mean_variance": float(variance.mean()),
        "median_variance": float(np.median(variance)),
    }
    predicted = getattr(embedder.model, "predicted_variance", lambda: None)()
    if predicted is not None:
        found["mean_predicted_variance"] = float(predicted.mean())
        found["relative_variance_error"] = relative_variance_error(predicted.cpu().numpy(), variance)
    size = min(config.data.classes_per_batch * config.data.images_per_class, len(train))
    chance = np.random.default_rng(config.seed)
    drawn = [chance.choice(len(train), size, replace=False) for _ in range(BATCHES)]
    found["batch_variance_relative_error"], _ = batch_variance_errors(seen, drawn)
    sampler = PKSampler(store.labels[train], sets.classes, config.data.classes_per_batch, config.data.images_per_class)
    balanced = [sampler.draw(generator(config.seed, "measures", number))[0] for number in range(BATCHES)]
    errors = batch_variance_errors(seen, balanced)
    found["balanced_batch_variance_relative_error"], found["balanced_batch_variance_bias"] = errors
    return {name: round(value, 4) for name, value in found.items()}


def _branches(embedder: Embedder, sets: Sets) -> dict[str, Any]:
    output = embedder.output(sets.train[:1])
    gates = _gates_of(output)
    rows = _pass(embedder, _few(sets), ("emb", *gates))
    learned = _by_branch(rows["emb"].cpu().numpy(), [scale.learnt for scale in output.scales])
    kinds = {"learner": [overlap(np.stack(scale)) for scale in learned]}
    if gates:
        kinds["gate"] = [overlap(np.moveaxis(rows[name].cpu().numpy(), 1, 0)) for name in gates]
    found: dict[str, Any] = {}
    for name, scales in kinds.items():
        found[f"{name}_cosine"] = round(float(np.mean([mean_overlap(scale) for scale in scales])), 4)
        found[f"{name}_overlap"] = [np.round(scale, 1).tolist() for scale in scales]
    return found


def _branched(output: Output) -> bool:
    """Whether a scale has several learners."""
    return any(len(scale.learnt) > 1 for scale in output.scales)


def _gates_of(output: Output) -> tuple[str, ...]:
    """Names of the gates of each scale that has any."""
    return tuple(f"gate_{n}" for n, scale in enumerate(output.scales, start=1) if scale.factors is not None)


def _windows(embedder: Embedder, sets: Sets) -> dict[str, float]:
    found = {}
    for name in _windows_of(embedder.output(sets.train[:1])):
        what, number = name.split("_")
        rows = embedder.rows(_few(sets), name)
        side = rows if what == "whole" else (rows[:, 2:] - rows[:, :2]).prod(dim=1).sqrt()
        found[name if what == "whole" else f"side_{number}"] = 100 * float(side.mean())
    return {name: round(value, 4) for name, value in found.items()}


def _windows_of(output: Output) -> tuple[str, ...]:
    """Names of the windows behind the first, and of which of them are the whole of the one before."""
    return tuple(name for name in output.attention if name.startswith(("whole_", "window_")))


def _attributes(embedder: Embedder, sets: Sets) -> dict[str, Any]:
    store, output = embedder.store, embedder.output(sets.train[:1])
    test = looked_at(sets.evaluation["test"])
    parts = [store.class_parts[label] for label in store.labels[test]]
    found: dict[str, Any] = {"attribute_probe_map": round(100 * probe_map(embedder.rows(test).cpu().numpy(), parts), 4)}
    if _branched(output):
        given, learnt = ([scale.given for scale in output.scales], [scale.learnt for scale in output.scales])
        pooled, learned = (
            [[part_probes(branch, parts) for branch in scale] for scale in _by_branch(rows.cpu().numpy(), like)]
            for rows, like in ((embedder.rows(test, "conv"), given), (embedder.rows(test, "emb"), learnt))
        )
        read = np.array([[[*branch.values()] for branch in scale] for scale in pooled])  # (I, J, parts)
        leanings = read - read.mean(axis=2, keepdims=True)
        found["gate_attribute_selectivity"] = round(100 * float(leanings.std(axis=1).mean()), 4)
        for part in learned[0][0]:
            found[f"learner_{part}"] = [[round(100 * branch[part], 2) for branch in scale] for scale in learned]
    return found


def _pass(embedder: Embedder, indices: np.ndarray, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Features that are too large to be kept of all images, from a pass of their own."""
    return embed_all(embedder.model, embedder.images, indices, embedder.config, names, embedder.store)


def _few(sets: Sets) -> np.ndarray:
    """Test queries, evenly chosen."""
    queries, _ = sets.evaluation["test"]
    return queries[:: -(-len(queries) // _COMPARED)]


def _by_branch(rows: np.ndarray, like: Sequence[Sequence[Tensor]]) -> list[list[np.ndarray]]:
    """Features of all branches side by side, (N, sum of d_j), one by one, (N, d_j), as wide as those ``like`` them,
    scale by scale."""
    ends = np.cumsum([branch.shape[1] for scale in like for branch in scale])
    parts = iter(np.split(rows, ends[:-1], axis=1))
    return [[next(parts) for _ in scale] for scale in like]


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


def _gate(embedder: Embedder, sets: Sets) -> np.ndarray:
    """The gate of each channel (or position, or dimension); the mean over some images where it depends on them."""
    shown = sets.train[:: max(1, len(sets.train) // _SHOWN)]
    found = _pass(embedder, shown, ("gate",))["gate"]
    return found.flatten(0, -2).mean(dim=0).cpu().numpy()
