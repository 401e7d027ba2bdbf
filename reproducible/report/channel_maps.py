"""Figure and table of what trained gates pass on (page: channel-attention)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from reproducible.config import DataConfig
from reproducible.data.augmentation import augmentation
from reproducible.data.store import Store
from reproducible.encoding import expand
from reproducible.evaluation import channel_maps as measured
from reproducible.evaluation.localised import class_interval
from reproducible.report.localised import Tile, tiles
from reproducible.training.sets import cut_out

QUANTITIES = {"gates": "cosine of two gates", "maps": "cosine of two maps", "patterns": "correlation of two maps"}
"""What ``evaluation/channel_maps.py`` measures, as the table calls it."""


def alike_table(found: measured.Maps, networks: Mapping[str, str]) -> pd.DataFrame:
    """How alike branches are, means over all photographs in per cent with 95 % bootstrap intervals over classes.

    Args:
        found: what is committed.
        networks: title -> name; a row each.
    """
    rows = []
    for title, name in networks.items():
        row = {"network": title}
        for quantity, words in QUANTITIES.items():
            values = 100 * measured.values(found, name, quantity)
            low, high = class_interval(values, expand(found["classes"]))
            row[f"{words}, %"] = f"{values.mean():.1f} [{low:.1f}, {high:.1f}]"
        rows.append(row)
    return pd.DataFrame(rows)


def map_rows(found: measured.Maps, store: Store, data: DataConfig, networks: Mapping[str, str]) -> Figure:
    """Photographs in rows, each as the networks see it; beside it the ungated map of the first network on a scale of
    its own and the maps of each network's branches on one scale; below the first branch the mean correlation of two.

    Args:
        found: what is committed.
        store: of the photographs.
        data: of the runs; says which window they see.
        networks: title -> name, in the order of the columns.
    """
    side, indices = store.images.shape[1], np.array([index for _, index in found["rows"]])
    windows = augmentation(data).evaluation(len(indices), side, None)
    stored = torch.from_numpy(store.images[indices])
    seen = cut_out(replace(data, input_size=side), stored, windows, torch.from_numpy(indices)).images
    pictures = seen.permute(0, 2, 3, 1).round().clamp(0, 255).byte().numpy()
    places = np.searchsorted(measured.photographs(store, expand(found["classes"])), indices)
    patterns = [measured.values(found, name, "patterns")[places] for name in networks.values()]
    maps = np.stack([measured.maps_of(found, name) for name in networks.values()], axis=1)
    rows = []
    for picture, each, alike in zip(pictures, maps, np.transpose(patterns), strict=True):
        gated = each[:, 1:]
        row = [Tile(picture), Tile(picture, each[0, 0], opacity=1)]
        for branches, value in zip(gated, alike, strict=True):
            notes = [f"{value:.2f}", *[""] * (len(branches) - 1)]
            limits = (gated.min(), gated.max())
            row += [
                Tile(picture, heat, note=note, limits=limits, opacity=1)
                for heat, note in zip(branches, notes, strict=True)
            ]
        rows.append(row)
    gates = range(1, found["branches"] + 1)
    titles = ["photograph", "no gate", *(f"{title}, {j}" for title in networks for j in gates)]
    return tiles(rows, titles, [why.replace(" ", "\n") for why, _ in found["rows"]])
