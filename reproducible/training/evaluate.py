"""Embed stored images with a model and measure retrieval on a run's roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reproducible.backbones.base import as_tested
from reproducible.config import RunConfig
from reproducible.data.augmentation import augmentation
from reproducible.data.store import Store
from reproducible.encoding import encode_first, encode_hits, encode_matches, run_lengths
from reproducible.evaluation import RetrievalResult, nearest, retrieve
from reproducible.evaluation.probes import part_probes
from reproducible.progress import progress
from reproducible.records import NEAR, summarise
from reproducible.resources import UserError, nearest_name
from reproducible.training.frozen import CachedMaps
from reproducible.training.sets import boxes_of, cut_out
from reproducible.types import Batch, Output

RECALLS = (1, 2, 4, 8)
EMBEDDING, ATTRIBUTES = "embedding", "attributes"
Queried = tuple[np.ndarray, np.ndarray]
"""Indices of the queries and of the gallery."""
_BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """What one look at one role gives.

    Attributes:
        result: the metrics, and which neighbours are relevant.
        neighbours: (Q, k) ids that the metrics are computed from, where they were kept.
        within: (Q,) whether the first neighbour among images of the query's coarse class is of its class, where asked.
        probes: accuracy of the probes of each part, where asked.
    """

    result: RetrievalResult
    neighbours: np.ndarray | None
    within: np.ndarray | None = None
    probes: dict[str, float] = field(default_factory=dict)


@torch.no_grad()
def embed_all(
    model: nn.Module,
    images: Tensor | CachedMaps,
    indices: np.ndarray,
    config: RunConfig,
    features: Sequence[str],
    store: Store | None = None,
) -> dict[str, Tensor]:
    """Several features of stored images from one pass, as :func:`embed` gives one.

    Args:
        model, images, indices, config, store: as of :func:`embed`.
        features: names in ``Output.features`` or ``Output.attention``, ``embedding``, or ``attributes``, their logits.

    Raises:
        UserError: if the model has no such feature, with the nearest one.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in features}
    with as_tested(model):
        for output in _outputs(model, images, indices, config, store):
            there = {EMBEDDING: output.embedding, **output.attention, **output.features}
            there |= {} if output.attributes is None else {ATTRIBUTES: output.attributes}
            for name, kept in found.items():
                if name not in there:
                    raise UserError(f"The model puts out no feature {name!r}.{nearest_name(name, there)}")
                value = there[name] if there[name].ndim > 1 else there[name].expand(len(output.embedding), -1)
                kept.append(value.float())  # a vector is one for all images
    return {name: torch.cat(kept) for name, kept in found.items()}


def _outputs(
    model: nn.Module, images: Tensor | CachedMaps, indices: np.ndarray, config: RunConfig, store: Store | None
) -> Iterator[Output]:
    """What a model puts out, batch by batch; the arguments are those of :func:`embed`."""
    device = next(model.parameters()).device
    batches = views(images, indices, config, store, device)
    for batch in progress(batches, desc="embedding", total=-(-len(indices) // _BATCH)):
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            output = model(**batch.inputs)
        yield output


def views(
    images: Tensor | CachedMaps, indices: np.ndarray, config: RunConfig, store: Store | None, device: torch.device
) -> Iterator[Batch]:
    """Stored images as an evaluation sees them, in batches of 64; the labels are the images' indices.

    Args:
        images, indices, config, store: as of :func:`embed`.
        device: of the model.
    """
    return _cached(images, indices) if isinstance(images, CachedMaps) else _cut(images, indices, config, store, device)


def _cut(
    images: Tensor, indices: np.ndarray, config: RunConfig, store: Store | None, device: torch.device
) -> Iterator[Batch]:
    """Stored images, batch by batch, through the window that an evaluation looks at."""
    seen = None if store is None or store.aspects is None else torch.from_numpy(store.aspects[indices])
    boxes = augmentation(config.data).evaluation(len(indices), images.shape[1], seen)
    known = boxes_of(store) if config.data.boxes and store is not None else None
    for rows, window in zip(_batches(indices), boxes.split(_BATCH), strict=True):
        stored = images[rows.to(images.device)].to(device)
        yield cut_out(config.data, stored, window, rows, None if known is None else known[rows])


def _cached(maps: CachedMaps, indices: np.ndarray) -> Iterator[Batch]:
    """The maps of the same."""
    maps.file.fill(maps.rows(maps.views(indices)), "maps to look at")
    return (maps.batch(maps.views(rows.numpy()), rows) for rows in _batches(indices))


def _batches(indices: np.ndarray) -> tuple[Tensor, ...]:
    return torch.from_numpy(np.asarray(indices, np.int64)).split(_BATCH)


def embed(
    model: nn.Module,
    images: Tensor | CachedMaps,
    indices: np.ndarray,
    config: RunConfig,
    feature: str = EMBEDDING,
    store: Store | None = None,
) -> Tensor:
    """Embeddings of stored images, seen through the central window, or as the recipe of the configuration says.

    Args:
        model: any model of the registry; its mode is restored.
        images: the packed store on the device, uint8, :math:`(N, S, S, 3)`, or maps of it that are kept.
        indices: which of them.
        config: input size, window and precision.
        feature: one name, as of :func:`embed_all`.
        store: that the images are of; needed where the configuration asks for what it knows of them, such as boxes.

    Returns:
        fp32, :math:`(len(indices), d)`, on the device.
    """
    return embed_all(model, images, indices, config, (feature,), store)[feature]


class Embedder:
    """Embeds stored images with the weights that a model has now, each image once, however many looks ask for it.

    Args:
        model, images, config: as of :func:`embed`.
        store: the data set that the images are of.
        features: what is kept of a pass, names as of :func:`embed_all`.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor | CachedMaps,
        store: Store,
        config: RunConfig,
        features: Sequence[str] = (EMBEDDING,),
    ) -> None:
        self.model, self.images, self.store, self.config = model, images, store, config
        self.features = tuple(dict.fromkeys(features))
        self._rows: dict[str, Tensor] = {}
        self._places = np.full(len(store.labels), -1)  # of each image among the rows

    @torch.no_grad()
    def output(self, indices: np.ndarray) -> Output:
        """All that the model puts out for a few images: how many scales, branches and windows there are."""
        with as_tested(self.model):
            return next(_outputs(self.model, self.images, indices, self.config, self.store))

    def rows(self, indices: np.ndarray, feature: str = EMBEDDING) -> Tensor:
        """A feature of stored images, fp32, :math:`(len(indices), d)`, on the device.

        Raises:
            KeyError: if the feature is not among those that are kept.
        """
        missing = np.unique(indices[self._places[indices] < 0])
        if len(missing):
            found = embed_all(self.model, self.images, missing, self.config, self.features, self.store)
            self._rows = {name: torch.cat([self._rows.get(name, rows[:0]), rows]) for name, rows in found.items()}
            self._places[missing] = np.arange(len(missing)) + (self._places >= 0).sum()
        kept = self._rows[feature]
        return kept[torch.from_numpy(self._places[indices]).to(kept.device)]


def evaluate(
    embedder: Embedder, sets: Queried, feature: str = EMBEDDING, parts: bool = False, neighbours: bool = True
) -> Evaluation:
    """Retrieval of queries against a gallery; where both are the same images, each query is left out of its own.

    Args:
        embedder: the model and the images.
        sets: indices of the queries and of the gallery.
        feature: one of those that the embedder keeps.
        parts: also look within coarse classes, and at each part of the queries with probes.
        neighbours: keep their ids, which take two bytes each, or four.

    Raises:
        UserError: if parts are asked for and the store does not know them; if there is no memory for the neighbours.
        ValueError: if an embedding is not finite.
    """
    store = embedder.store
    known = parts_of(store, "evaluation.parts to false") if parts else ()
    queries, gallery = sets
    same = np.array_equal(queries, gallery)
    rows = embedder.rows(looked_at(sets), feature)
    asked, there = rows[: len(queries)], rows if same else rows[len(queries) :]
    found = Evaluation(*retrieve(asked, there, store.labels[queries], store.labels[gallery], RECALLS, same, neighbours))
    if not parts:
        return found
    coarse = store.coarse[queries], store.coarse[gallery]
    within = _first_within(asked, there, coarse, same, store.coarse_names)
    probes = part_probes(asked.cpu().numpy(), [known[label] for label in store.labels[queries]])
    return replace(found, within=store.labels[gallery][within] == store.labels[queries], probes=probes)


def evaluate_further(
    embedder: Embedder, protocols: Mapping[str, Queried], features: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Several features under several protocols.

    Args:
        embedder: the model and the images.
        protocols: indices of queries and gallery by name.
        features: of those that the embedder keeps.

    Returns:
        By protocol, what a record keeps of it (``further`` in :mod:`reproducible.records`).
    """
    found = {}
    for protocol, sets in protocols.items():
        kept = {}
        for name in features:
            look = evaluate(embedder, sets, name, neighbours=False)
            if name == EMBEDDING:
                matches = encode_matches(look.result.matches, look.result.relevant)
                kept[name] = {"test": describe(look, with_hits=True), "matches": matches}
            else:
                kept[name] = {"test": summarise(look.result, NEAR), "first": encode_first(look.result.matches)}
        found[protocol] = {**described_sets(embedder.store, sets), "features": kept}
    return found


def parts_of(store: Store, instead: str) -> tuple[tuple[str, ...], ...]:
    """Names of the parts of each class.

    Raises:
        UserError: if the data set does not know them, with what to set ``instead``.
    """
    if not store.class_parts:
        raise UserError(f"Data set {store.name!r} knows no parts of its classes; set {instead}.")
    return store.class_parts


def looked_at(sets: Queried) -> np.ndarray:
    """Indices of the queries and, where it is another set, of the gallery behind them."""
    return sets[0] if np.array_equal(*sets) else np.concatenate(sets)


def described_sets(store: Store, sets: Queried) -> dict[str, list[list[int]]]:
    """``queries`` and ``gallery`` of a record; the latter empty where both are the same images."""
    queries, gallery = (run_lengths(store.labels[part], store.coarse[part]) for part in sets)
    return {"queries": queries, "gallery": [] if np.array_equal(*sets) else gallery}


def _first_within(
    queries: Tensor, gallery: Tensor, coarse: tuple[np.ndarray, np.ndarray], same: bool, names: Sequence[str]
) -> np.ndarray:
    """(Q,) gallery place of the nearest image of each query's own coarse class.

    Raises:
        UserError: if a query has no other image of its coarse class, with the class's name.
    """
    found = np.empty(len(queries), np.int64)
    for group in np.unique(coarse[0]):
        asked, there = (np.flatnonzero(side == group) for side in coarse)
        if len(there) <= same:
            raise UserError(f"Coarse class {names[group]!r} has no image to be found; set evaluation.parts to false.")
        ids, _ = nearest(queries[asked], gallery[there], 1, own=np.arange(len(asked)) if same else None)
        found[asked] = there[ids[:, 0]]
    return found


def describe(evaluation: Evaluation, with_hits: bool = False) -> dict[str, Any]:
    """What a record keeps of a look: the metrics in per cent, packed, which queries found their class first, and how
    many had nothing to find and are left out (``unanswerable``), where there are such."""
    found: dict[str, Any] = summarise(evaluation.result)
    found |= {name: round(100 * value, 4) for name, value in evaluation.probes.items()}
    if evaluation.result.unanswerable:
        found["unanswerable"] = evaluation.result.unanswerable
    if evaluation.within is not None:
        found["recall_at_1_within"] = round(100 * float(evaluation.within.mean()), 4)
    if with_hits:
        found["hits"] = encode_hits(evaluation.result.hit_at_1)
        if evaluation.within is not None:
            found["hits_within"] = encode_hits(evaluation.within)
    return found
