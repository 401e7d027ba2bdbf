"""Embed stored images with a model and measure retrieval on a run's roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reproducible.config import RunConfig
from reproducible.data.augmentation import evaluation_boxes
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize
from reproducible.evaluation import RetrievalResult, nearest, needed_k, retrieval_metrics
from reproducible.evaluation.probes import part_probes
from reproducible.progress import progress
from reproducible.records import encode_hits, summarise
from reproducible.resources import UserError
from reproducible.types import Output

RECALLS = (1, 2, 4, 8)
_BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """What one look at one role gives.

    Attributes:
        result: the metrics, and which neighbours are relevant.
        neighbours: (Q, k) ids that the metrics are computed from.
        rows: embeddings of the queries and, behind them, of the gallery where that is another set.
        within: (Q,) whether the first neighbour among images of the query's coarse class is of its class, where asked.
        probes: accuracy of the probes of each part, where asked.
    """

    result: RetrievalResult
    neighbours: np.ndarray
    rows: Tensor
    within: np.ndarray | None = None
    probes: dict[str, float] = field(default_factory=dict)


@torch.no_grad()
def embed(
    model: nn.Module,
    images: Tensor,
    indices: np.ndarray,
    config: RunConfig,
    feature: str | None = None,
    aspects: np.ndarray | None = None,
) -> Tensor:
    """Embeddings of stored images, seen through the central window, or as the recipe of the configuration says.

    Args:
        model: any model of the registry; its mode is restored.
        images: the packed store on the device, uint8, :math:`(N, S, S, 3)`.
        indices: which of them.
        config: input size, window and precision.
        feature: name of a feature in ``Output.features``, or of an ``Output.attention``; None: the embedding.
        aspects: of all stored images, as a store holds them.

    Returns:
        fp32, :math:`(len(indices), d)`, on the device.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    seen = None if aspects is None else torch.from_numpy(aspects[indices])
    boxes = evaluation_boxes(config.data, len(indices), images.shape[1], seen)
    outside = config.data.augmentation != "window"
    found = []
    for start in progress(range(0, len(indices), _BATCH), desc="embedding"):
        rows = torch.from_numpy(np.asarray(indices[start : start + _BATCH], dtype=np.int64))
        batch = images[rows.to(images.device)].to(device)
        window = boxes[start : start + _BATCH]
        inputs = [crop_resize(batch, window, size, black_outside=outside) for size in config.data.sizes]
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            output = model(*inputs)
        found.append(_named(output, feature, len(rows)).float())
    model.train(was_training)
    return torch.cat(found)


def _named(output: Output, name: str | None, count: int) -> Tensor:
    """One row an image: the embedding, a feature, or an attention, which may be the same for all ``count`` images."""
    if name is None:
        return output.embedding
    found = output.features[name] if name in output.features else output.attention[name]
    return found if found.ndim > 1 else found.expand(count, -1)


def evaluate(
    model: nn.Module,
    images: Tensor,
    store: Store,
    sets: tuple[np.ndarray, np.ndarray],
    config: RunConfig,
    feature: str | None = None,
    parts: bool = False,
) -> Evaluation:
    """Retrieval of queries against a gallery; where both are the same images, each query is left out of its own.

    Args:
        model, images, config, feature: as in :func:`embed`.
        store: labels of the images.
        sets: indices of the queries and of the gallery.
        parts: also look within coarse classes, and at each part of the queries with probes.

    Raises:
        UserError: if parts are asked for and the store does not know them.
    """
    if parts and not store.class_parts:
        raise UserError(
            f"Data set {store.name!r} does not know the parts of its classes; set evaluation.parts to false."
        )
    queries, gallery = sets
    same = np.array_equal(queries, gallery)
    rows = embed(model, images, queries if same else np.concatenate(sets), config, feature, store.aspects)
    query_labels, gallery_labels = store.labels[queries], store.labels[gallery]
    k = min(max(needed_k(query_labels, gallery_labels, same), *RECALLS), len(gallery) - same)
    own = np.arange(len(queries)) if same else None
    asked, there = rows[: len(queries)], rows if same else rows[len(queries) :]
    ids, _ = nearest(asked, there, k, own=own)
    recalls = tuple(r for r in RECALLS if r <= ids.shape[1])
    result = retrieval_metrics(ids, query_labels, gallery_labels, ks=recalls, own_in_gallery=same)
    if not parts:
        return Evaluation(result, ids, rows)
    coarse = store.coarse[queries], store.coarse[gallery]
    within = _first_within(asked, there, coarse, same)
    probes = part_probes(asked.cpu().numpy(), [store.class_parts[label] for label in query_labels])
    return Evaluation(result, ids, rows, gallery_labels[within] == query_labels, probes)


def _first_within(queries: Tensor, gallery: Tensor, coarse: tuple[np.ndarray, np.ndarray], same: bool) -> np.ndarray:
    """(Q,) gallery place of the nearest image of each query's own coarse class."""
    found = np.empty(len(queries), np.int64)
    for group in np.unique(coarse[0]):
        asked, there = (np.flatnonzero(side == group) for side in coarse)
        ids, _ = nearest(queries[asked], gallery[there], 1, own=np.arange(len(asked)) if same else None)
        found[asked] = there[ids[:, 0]]
    return found


def describe(evaluation: Evaluation, with_hits: bool = False) -> dict[str, Any]:
    """What a record keeps of a look: the metrics in per cent and, packed, which queries found their class first."""
    found: dict[str, Any] = summarise(evaluation.result)
    found |= {name: round(100 * value, 4) for name, value in evaluation.probes.items()}
    if evaluation.within is not None:
        found["recall_at_1_within"] = round(100 * float(evaluation.within.mean()), 4)
    if with_hits:
        found["hits"] = encode_hits(evaluation.result.hit_at_1)
        if evaluation.within is not None:
            found["hits_within"] = encode_hits(evaluation.within)
    return found
