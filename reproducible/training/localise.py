"""Measures where attention looks, image by image, with frozen and with fine-tuned networks.

:mod:`reproducible.studies.localising` says what is measured, :mod:`reproducible.evaluation.localised` in which form it
is kept. Explained on page: object-attention.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.config import Component, DataConfig, RunConfig
from reproducible.data.splits import protocol, split
from reproducible.data.store import Store, open_store
from reproducible.data.transforms import crop_resize
from reproducible.evaluation.localised import Look, pack
from reproducible.evaluation.locating import LAYERS, METHODS, Seen, graphs, locate
from reproducible.progress import progress
from reproducible.training.devices import choose_device
from reproducible.training.runner import selected_model, weights_hash
from reproducible.training.seeding import generator

_BATCH = 32


@dataclass(frozen=True)
class View:
    """One network on one set of images.

    Attributes:
        name: of the look.
        data: data set that is looked at.
        backbone: registered name.
        size: side of the input in pixels; the whole image, no central window.
        images: ``all``, or the ``seen`` or ``unseen`` classes of the draw that it was trained on, of the same data.
        each: only the first so many images of each class; 0: all.
        trained: the run whose selected checkpoint is looked at; None: the pretrained network.
        layers: stages of the backbone that stand for GoogLeNet's 4e and 5b.
    """

    name: str
    data: str
    backbone: str
    size: int
    images: str = "all"
    each: int = 0
    trained: RunConfig | None = None
    layers: tuple[str, str] = LAYERS


def measure(view: View, criteria: str, device: str = "auto") -> Look:
    """Look at every image of a view with every method; trains the network first where that has to be.

    Args:
        view: which network on which images.
        criteria: hash of the criteria that stand now for the study that reads the look.
        device: ``auto``, ``cpu``, ``cuda``, ...

    Raises:
        UserError: if the data set is not there, or the training fails.
    """
    store, where = open_store(view.data), choose_device(device)
    config = view.trained or RunConfig(data=DataConfig(name=view.data), backbone=Component(view.backbone))
    backbone = network(config, where, trained=view.trained is not None)
    indices = chosen(view, store)
    counted = np.unique(store.labels[indices], return_counts=True)
    parts, seconds = defaultdict(list), {"forward": [], "walk": []}
    for start in progress(range(0, len(indices), _BATCH), desc=view.name):
        for path, values in _flat(_look(backbone, store, indices[start : start + _BATCH], view, start, seconds)):
            parts[path].append(values.cpu())
    measured: dict[str, Any] = {"truth": {}, "methods": {}, "graphs": {}}
    for path, values in parts.items():
        *above, name = path
        node = measured
        for key in above:
            node = node.setdefault(key, {})
        node[name] = torch.cat(values).numpy()
    about = {
        "look": view.name,
        "data": view.data,
        "network": view.backbone if view.trained is None else f"{view.backbone}, {view.trained.label}",
        "size": view.size,
        "images": view.images if not view.each else f"first {view.each} of each class",
        "fingerprint": store.fingerprint,
        "weights": weights_hash(config),
        "criteria": criteria,
        "seconds": {name: round(sum(spent), 3) for name, spent in seconds.items()} if where.type == "cpu" else {},
        "classes": [[int(c), int(n)] for c, n in zip(*counted, strict=True)],
    }
    return pack(about, measured)


def network(config: RunConfig, device: torch.device, trained: bool) -> nn.Module:
    """The trunk of a run: pretrained, or at its selected checkpoint."""
    if not trained:
        trunk = registry.build("backbone", config.backbone.name, **config.backbone.options)
        return trunk.to(device, memory_format=torch.channels_last).eval()
    return selected_model(config, open_store(config.data.name), device).backbone


def chosen(view: View, store: Store) -> np.ndarray:
    """Indices of the images of a view, class by class."""
    classes: tuple[int, ...] = tuple(range(len(store.class_names)))
    if view.trained is not None and view.images != "all":
        drawn = split(store, view.trained.data.split, view.trained.data.draw)
        classes = {"seen": drawn.train, "unseen": drawn.test}[view.images]
    indices = np.unique(np.concatenate(protocol(store, classes)))
    of_class = [indices[store.labels[indices] == c][: view.each or None] for c in sorted(classes)]
    return np.concatenate(of_class)


@torch.no_grad()
def _look(
    backbone: nn.Module, store: Store, indices: np.ndarray, view: View, start: int, seconds: dict[str, list[float]]
) -> dict[str, Any]:
    """The values of a batch; random boxes are named after the place of the batch. Adds to ``seconds``."""
    device = next(backbone.parameters()).device
    stored, side = torch.from_numpy(store.images[indices]).to(device), store.images.shape[1]
    whole = torch.tensor([[0.0, 0.0, side, side]]).expand(len(indices), 4)
    images = crop_resize(stored, whole, view.size)
    with _timed(seconds["forward"]):
        found = backbone(images, view.layers)
    maps = {name: found[layer] for name, layer in zip(LAYERS, view.layers, strict=True)}
    with _timed(seconds["walk"]):
        METHODS["object attention"](Seen(maps))
    truth, shares = None, {}
    if store.boxes is not None and np.isfinite(store.boxes[:, 0]).all():
        boxes, masks = torch.from_numpy(store.boxes[indices, 0]).to(device), None
        shares["box"] = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) / side**2
        if store.masks is not None:
            masks = torch.from_numpy(store.masks[indices]).to(device) > 0
            shares["object"] = masks.float().mean(dim=(1, 2))
        truth = boxes, masks
    seen = Seen(maps)
    places = generator(0, "random boxes", start)
    return {"truth": shares, "methods": locate(seen, side, truth, places), "graphs": graphs(seen)}


@contextmanager
def _timed(spent: list[float]) -> Iterator[None]:
    """Adds the processor time that passes within."""
    start = time.process_time()
    yield
    spent.append(time.process_time() - start)


def _flat(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Tensor]]:
    """The leaves of a tree with their paths."""
    found = []
    for name, leaf in tree.items():
        path = (*above, name)
        found += _flat(leaf, path) if isinstance(leaf, Mapping) else [(path, leaf)]
    return found
