"""Measures what the trained gates of DeML(1, J) pass on of photographs of unseen classes.

:mod:`reproducible.studies.channel_maps` says of which networks and photographs,
:mod:`reproducible.evaluation.channel_maps` in which form it is kept. Explained on page: channel-attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reproducible.backbones.base import as_tested
from reproducible.config import DataConfig, RunConfig
from reproducible.data.augmentation import augmentation
from reproducible.data.cards import examples
from reproducible.data.splits import split
from reproducible.data.store import open_store
from reproducible.encoding import run_lengths
from reproducible.evaluation.channel_maps import ALIKE, APART, DRAWN, START, Maps, alike, largest, pack, photographs
from reproducible.models import build_model
from reproducible.models.ensemble import Ensemble
from reproducible.progress import progress
from reproducible.training.devices import choose_device
from reproducible.training.runner import selected_model, weights_hash
from reproducible.training.seeding import initialise
from reproducible.training.sets import cut_out

_BATCH = 64


def measure(runs: Mapping[str, RunConfig], every: int, extremes: int, seed: int, device: str = "auto") -> Maps:
    """Train what has to be trained, and look at all test photographs of the test classes.

    The rows that are kept: a photograph drawn by ``cards.examples`` of the first of every so many test classes by id;
    then those on which the patterns of the first run's branches are most, and least alike, each of another class.

    Args:
        runs: by name, of the same data and class draw, from the same weights. Beside them stands the first one's
            network as it is before training.
        every: of so many test classes one is shown.
        extremes: photographs shown of either kind.
        seed: of the draw of photographs.
        device: ``auto``, ``cpu``, ``cuda``, ...

    Raises:
        UserError: if the data set is not there, or a training fails.
    """
    name, first = next(iter(runs.items()))
    store, where = open_store(first.data.name), choose_device(device)
    tested = sorted(split(store, first.data.split, first.data.draw).test)
    indices = photographs(store, tested)
    fresh = build_model(first)
    initialise(fresh, first.seed)
    networks = {START: fresh.to(where, memory_format=torch.channels_last)}
    networks |= {run: selected_model(config, store, where) for run, config in runs.items()}
    images = torch.from_numpy(store.images)
    found = {of: passed_on(network, images, indices, first.data) for of, network in networks.items()}
    quantities = {of: alike(maps[:, 1:], factors) for of, (maps, factors) in found.items()}

    patterns, labels = quantities[name]["patterns"], store.labels[indices]
    rows = [(DRAWN, int(i)) for i in examples(store, tested[::every], "test", 1, seed)]
    for why, ranked in ((ALIKE, patterns), (APART, -patterns)):
        rows += [(why, int(indices[position])) for position in largest(ranked, labels, extremes)]
    places = np.searchsorted(indices, [index for _, index in rows])
    about = {
        "data": first.data.name,
        "draw": first.data.draw,
        "fingerprint": store.fingerprint,
        "weights": weights_hash(first),
        "classes": run_lengths(labels, store.coarse[indices]),
        "rows": rows,
    }
    return pack(about, {of: maps[places] for of, (maps, _) in found.items()}, quantities)


@torch.no_grad()
def passed_on(
    model: Ensemble, images: Tensor, indices: np.ndarray, data: DataConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Channel maps of the first scale, and the factors of its gates, of stored images as an evaluation sees them.

    Args:
        model: one with gates.
        images: the packed store, uint8, (N, S, S, 3).
        indices: which of them.
        data: window and input size.

    Returns:
        Mean over channels of the map that the gates stand behind, and of what each gate passes on,
        (len(indices), 1 + J, h, w); factors, averaged over positions, (len(indices), J, C).
    """
    device = next(model.parameters()).device
    windows = augmentation(data).evaluation(len(indices), images.shape[1], None)
    found: list[tuple[Tensor, Tensor]] = []
    with as_tested(model):
        for start in progress(range(0, len(indices), _BATCH), desc="channel maps"):
            rows = torch.from_numpy(indices[start : start + _BATCH])
            seen = cut_out(data, images[rows].to(device), windows[start : start + _BATCH], rows).images
            maps, gates = model.scales[0].look(seen)
            passed = torch.cat([maps[None], maps * gates]).mean(dim=2)
            found.append((passed.transpose(0, 1), gates.mean(dim=(3, 4)).transpose(0, 1)))
    maps, factors = (torch.cat(parts).float().cpu().numpy() for parts in zip(*found, strict=True))
    return maps, factors
