"""Every way to point at the object, on the same images and the same features: values of each image.

Explained on page: object-attention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from reproducible.attention.boxes import object_boxes, resize_levels
from reproducible.attention.object import (
    LOCALITY,
    dissimilarity,
    grey_levels,
    smallest_eigenvalue,
    uniform,
    walk,
)
from reproducible.attention.saliency import centre_prior, embedding_activation, feature_norm, moved
from reproducible.evaluation.localisation import (
    TOLERANCE,
    box_cells,
    box_iou,
    box_share,
    mask_cells,
    mass_inside,
    peaks,
    pointing_hits,
)
from reproducible.types import at_least_fp32

Maps = Mapping[str, Tensor]
"""Feature maps by layer, the deepest last."""

LAYERS = ("4e", "5b")
STEPS = 10
GRAPHS = {"4e": ("4e", 0.0), "5b": ("5b", 0.0), "5b, released": ("5b", LOCALITY)}
"""Name -> layer, and locality of the edges; the first two are the document's."""
RANDOM = "random box"


class Seen:
    """What a network sees in a batch of images: feature maps, and the graphs on them, each computed once.

    Args:
        maps: of the layers 4e and 5b, :math:`(B, C, H, W)` each.
    """

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self._edges: dict[str, Tensor] = {}

    def edges(self, graph: str) -> Tensor:
        """Of a graph in ``GRAPHS``, :math:`(B, n, n)`."""
        if graph not in self._edges:
            layer, locality = GRAPHS[graph]
            self._edges[graph] = dissimilarity(at_least_fp32(self.maps[layer]), locality)
        return self._edges[graph]

    def mass(self, graph: str, steps: int = STEPS, form: str = "columns") -> Tensor:
        """Of a walk on a graph, :math:`(B, H, W)`; steps and form as in :func:`reproducible.attention.object.walk`."""
        return walk(self.edges(graph), steps, form).unflatten(1, self.maps[GRAPHS[graph][0]].shape[2:])


def _walks(*graphs: str, **options: Any) -> Callable[[Seen], list[Tensor]]:
    return lambda seen: [seen.mass(graph, **options) for graph in graphs]


def _each(map_of: Callable[[Tensor], Tensor], *layers: str) -> Callable[[Seen], list[Tensor]]:
    return lambda seen: [map_of(seen.maps[layer]) for layer in layers]


METHODS: Mapping[str, Callable[[Seen], list[Tensor]]] = {
    "object attention": _walks(*LAYERS),
    "4e only": _walks("4e"),
    "5b only": _walks("5b"),
    "T = 9": _walks(*LAYERS, steps=STEPS - 1),
    "T = 11": _walks(*LAYERS, steps=STEPS + 1),
    "degree": _walks(*LAYERS, form="degree"),
    "released": _walks("5b, released"),
    "as printed": _walks(*LAYERS, form="rows"),
    "feature norm": _each(feature_norm, *LAYERS),
    "embedding activation": _each(embedding_activation, "5b"),
    "centre prior": _each(lambda u: centre_prior(*u.shape[2:], u.device).expand(len(u), -1, -1), "4e"),
}
"""Name -> maps of one layer or several, each summing to one. The first is DeML's as the prose has it (columns, T = 10,
layers 4e and 5b); the next seven change one thing in it; then come the baselines."""


def picture(masses: Sequence[Tensor], side: int) -> Tensor:
    """The one map that boxes and points are read from: scaled to grey levels, resized to the image, added."""
    return torch.stack([resize_levels(grey_levels(mass), side) for mass in masses]).sum(dim=0)


def locate(
    seen: Seen,
    side: int,
    truth: tuple[Tensor, Tensor | None] | None,
    generator: torch.Generator,
    methods: Sequence[str] = tuple(METHODS),
) -> dict[str, dict[str, Tensor]]:
    """What each method finds on each image.

    Args:
        seen: what the methods read.
        side: of the images that boxes are found in, in pixels.
        truth: boxes of the objects in pixel edges, :math:`(B, 4)`, and their masks, bool, :math:`(B, side, side)`, or
            None where outlines are not known; None where nothing is.
        generator: places the random boxes, which have the sizes of the first method's.
        methods: names in ``METHODS``.

    Returns:
        By method, float :math:`(B,)` each: ``area`` of its box (share of the image); where boxes are known also ``iou``
        of the box, ``in_box`` (mass, averaged over layers) and ``hit`` (pointing game); where masks are known also
        ``in_object`` (mass) and ``scaled_in_object`` (the same after scaling each map from 0 to 1, as before the box is
        found). A random box has the first two only.

    Raises:
        ValueError: for a box of the truth without area, or shapes that do not fit.
        FloatingPointError: if a map is not finite.
    """
    masses = {name: METHODS[name](seen) for name in methods}
    boxes = {name: object_boxes(of_layers, side)[0] for name, of_layers in masses.items()}
    boxes[RANDOM] = moved(boxes[methods[0]], side, generator)
    found = {name: {"area": box_share(box, side)} for name, box in boxes.items()}
    if truth is None:
        return found
    objects, masks = truth
    for name, box in boxes.items():
        found[name]["iou"] = box_iou(box, objects)
    for name, of_layers in masses.items():
        covered = [box_cells(objects, side, *mass.shape[1:]) for mass in of_layers]
        found[name]["in_box"] = _inside(of_layers, covered)
        if masks is not None:
            inner = [mask_cells(masks, *mass.shape[1:]) for mass in of_layers]
            found[name]["in_object"] = _inside(of_layers, inner)
            found[name]["scaled_in_object"] = _inside([_scaled(mass) for mass in of_layers], inner)
        point = peaks(picture(of_layers, side))
        found[name]["hit"] = pointing_hits(point, objects, TOLERANCE * side).float()
    return found


def _inside(masses: Sequence[Tensor], cells: Sequence[Tensor]) -> Tensor:
    """Mass inside, averaged over layers."""
    return torch.stack([mass_inside(mass, part) for mass, part in zip(masses, cells, strict=True)]).mean(dim=0)


def _scaled(mass: Tensor) -> Tensor:
    """Maps from 0 to 1 each; a constant one is 1."""
    return grey_levels(mass).float() / 255 + uniform(mass)[:, None, None]


def graphs(seen: Seen) -> dict[str, dict[str, Tensor]]:
    """How far the walk is from its stationary vector at T = 10, and why.

    Args:
        seen: what has the graphs.

    Returns:
        By graph, :math:`(B,)` each: ``variation``, the total variation to the stationary vector (of the closed form),
        and ``eigenvalue``, the smallest of the transition matrix.
    """
    found = {}
    for name in GRAPHS:
        edges = seen.edges(name)
        gap = walk(edges, STEPS) - walk(edges, form="degree")
        found[name] = {"variation": gap.abs().sum(dim=1) / 2, "eigenvalue": smallest_eigenvalue(edges)}
    return found
