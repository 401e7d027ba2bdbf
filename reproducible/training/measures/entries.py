"""How gates share a map out among the branches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproducible.data.augmentation import augmentation
from reproducible.data.transforms import crop_resize
from reproducible.evaluation.features import mean_overlap, overlap
from reproducible.training.evaluate import Embedder
from reproducible.training.measures.base import Measure, branched, by_branch, few, output_of, refuse
from reproducible.training.sets import Sets
from reproducible.types import Output, at_least_fp32

SHOWN = 2  # test images whose maps are kept
LOOKED_AT = 128  # test images that the gates are asked for
PARTS = ("ground", "base", "above", "below")
"""Columns of ``attention_on_parts``; bits of a glyph's mask, and what is none of them."""


class Entries(Measure):
    """Of the selected and of the last checkpoint, on test images (claims B06, B12 and B17), in per cent:

    - ``gated_map_cosine``: mean cosine of what the learners of two branches receive, before the learners;
    - ``attention_entropy``: mean entropy of the factors over the branches, of that of even ones, over positions,
      channels and images. Factors that do not sum to one, as those of ABE, are divided by their sum;
    - ``attention_map_0`` ..., of the images ``attention_images``: mean over channels of each branch's share of the
      factors, :math:`(J, H, W)`;
    - where masks of parts are known, ``attention_on_parts``: each branch's mean share on the ground, on the base and on
      the marks above and below, of an even share, (J, 4).
    """

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        if not branched(output) or output.scales[0].factors is None:
            raise refuse(f"{type(embedder.model).__name__} has no gates that share a map out", "entries")

    def keeps(self, output: Output) -> tuple[str, ...]:
        """As of :class:`Measure`."""
        return ("conv",)

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        some = few(sets)
        given = by_branch(embedder.rows(some, "conv"), [scale.given for scale in output_of(embedder, sets).scales])
        found: dict[str, Any] = {
            "gated_map_cosine": float(np.mean([mean_overlap(overlap(np.stack(s))) for s in given]))
        }
        some = some[:: -(-len(some) // LOOKED_AT)]
        chunks = [some[start : start + 64] for start in range(0, len(some), 64)]
        # of the first scale, (J, N, C, H, W); channels that share a factor are one
        shares = [shared(embedder.output(chunk).scales[0].factors) for chunk in chunks]
        entropies = torch.cat([entropy(share).mean(dim=(1, 2, 3)) for share in shares])
        maps = torch.cat([share.mean(dim=2) for share in shares], dim=1)
        found["attention_entropy"] = 100 * entropies.mean().item()
        found |= _rounded(maps, some, embedder)
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}


def _rounded(maps: Tensor, indices: np.ndarray, embedder: Embedder) -> dict[str, Any]:
    """What is kept of the shares averaged over channels, (J, N, H, W)."""
    found: dict[str, Any] = {"attention_images": indices[:SHOWN].tolist()}
    for number in range(min(SHOWN, len(indices))):
        found[f"attention_map_{number}"] = (100 * maps[:, number]).double().round(decimals=1).tolist()
    store = embedder.store
    if store.masks is not None and store.class_parts and maps.shape[2] > 1:
        parts = parts_on(embedder, indices, maps.shape[2]).to(maps.device)
        seen = torch.einsum("jnhw,nphw->jp", maps, parts) / parts.sum(dim=(0, 2, 3)).clamp(min=1e-6)
        found["attention_on_parts"] = (100 * len(maps) * seen).double().round(decimals=1).tolist()
    return found


def shared(factors: Tensor) -> Tensor:
    """Factors as shares of their sum over the branches, (J, N, C, H, W) in fp32 at least."""
    wide = at_least_fp32(factors)
    return wide / wide.sum(dim=0, keepdim=True).clamp(min=1e-12)


def entropy(shares: Tensor) -> Tensor:
    """Entropy over the branches of shares that sum to one, of the largest possible: (J, ...) to (...), 0 to 1."""
    return -torch.xlogy(shares, shares).sum(dim=0) / math.log(len(shares))


def parts_on(embedder: Embedder, indices: np.ndarray, side: int) -> Tensor:
    """How much of each position of a map shows each of :data:`PARTS`, (N, 4, side, side), sums to one.

    Args:
        embedder: of the run, whose test window the map is of.
        indices: of images with masks.
        side: of the map.
    """
    store = embedder.store
    masks = np.asarray(store.masks[indices])
    planes = np.stack([255 * ((masks & bit) > 0) for bit in (1, 2, 4)], axis=-1).astype(np.uint8)
    aspects = None if store.aspects is None else torch.from_numpy(store.aspects[indices])
    windows = augmentation(embedder.config.data).evaluation(len(indices), masks.shape[1], aspects)
    seen = crop_resize(torch.from_numpy(planes), windows, side) / 255
    return torch.cat([(1 - seen.sum(dim=1, keepdim=True)).clamp(min=0), seen], dim=1)
