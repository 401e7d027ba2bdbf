"""Scales of branches: networks that each see a window of what the one before saw (DeML section 3, Fig. 2).

Object attention on the maps of a scale says which window the next one sees. No gradient passes from a window to the
maps that it comes from. Explained on page: grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.attention.windows import chance, cut, inside, object_window, placed, whole_image
from reproducible.backbones.base import as_tested
from reproducible.models.branches import Branches
from reproducible.resources import UserError
from reproducible.types import Output, Scale

SIDE = 0.75  # of the squares that controls look at, of the window before


@dataclass(frozen=True)
class Zoom:
    """What the scales behind the first see.

    Attributes:
        kind: ``attention``: the window that object attention finds; ``full``: what the first sees; ``centre`` and
            ``random``: a square of :data:`SIDE` of the window before; ``object``: the square about the known object,
            the same for all.
        layers: the stages that attention looks at.
        source: maps of the ``first`` branch or the ``mean`` over branches feed it.
        walk: options of :func:`reproducible.attention.object.object_map`.
    """

    kind: str = "full"
    layers: tuple[str, ...] = ()
    source: str = "first"
    walk: Mapping[str, Any] = field(default_factory=dict)


class Ensemble(nn.Module):
    """The model: one scale of branches or more.

    Args:
        scales: each with a trunk of its own, or all with the same.
        zoom: from each to the next.
    """

    def __init__(self, scales: Sequence[Branches], zoom: Zoom | None = None) -> None:
        super().__init__()
        self.scales, self.zoom = nn.ModuleList(scales), zoom or Zoom()
        for number, scale in enumerate(self.scales):
            scale.learners.stream = f"learners.{number}"
            if scale.gates is not None:
                scale.gates.stream = f"gates.{number}"
        if sum(scale.branches for scale in self.scales) == 1:
            self.scales[0].learners[0].stream = "learner"  # that of U_d, from which this differs by its gate alone

    @property
    def cuts(self) -> bool:
        """Whether it cuts windows out of its images, so that their maps are not enough."""
        return len(self.scales) > 1 and self.zoom.kind != "full"

    def forward(
        self, images: Tensor, view: Tensor | None = None, boxes: Tensor | None = None, maps: Tensor | None = None
    ) -> Output:
        """Embed images.

        Args:
            images: RGB, 0 to 255, float, :math:`(N, 3, S, S)`: what the first scale sees.
            view: the same windows of the stored images at another size, :math:`(N, 3, V, V)`: object attention looks at
                them, and zooms are cut out of them. None: of ``images``, as in the released code.
            boxes: squares about the objects in fractions of the images, :math:`(N, 4)`; for the zoom ``object`` alone.
            maps: of the images, from the last stage that is frozen; without windows to cut they may stand for images.

        Returns:
            Output with the embedding of each scale among its features (``scale_1`` ...); among its attention the
            factors of the gates, (N, J, C), averaged over positions (``gate_1`` ...), the maps (``map_1_4e`` ...), the
            windows behind the first as fractions of the image (``window_2`` ...) and, as 1, which of them are the whole
            of the window before for want of an object (``whole_2`` ..., (N, 1)).

        Raises:
            UserError: if the zoom is ``object`` and no boxes are given; if gates do not fit their map.
            FloatingPointError: if object attention finds a map that is not finite.
        """
        zoom, source, window, x = self.zoom, images if view is None else view, whole_image(images), images
        scales: list[Scale] = []
        features: dict[str, Tensor] = {}
        attention: dict[str, Tensor] = {}
        for number, branches in enumerate(self.scales, start=1):
            behind = number < len(self.scales)
            attends = behind and zoom.kind == "attention"
            given = maps if number == 1 and maps is not None else x
            scale, seen = branches(given, zoom.layers if attends else ())
            scales.append(scale)
            if scale.factors is not None:
                attention[f"gate_{number}"] = scale.mean_factors.transpose(0, 1)
            features[f"scale_{number}"] = _embed(scale.learnt)
            if behind and zoom.kind != "full":
                if attends and view is not None:
                    closer = view if number == 1 else cut(view, window, view.shape[2])
                    # After the pass with gradients, because autocast keeps the weights that it casts first.
                    with torch.no_grad(), as_tested(self):
                        seen = branches.maps(closer, zoom.layers, 1 if zoom.source == "first" else None)
                window, found = self._window(number, x, seen, source.shape[2], window, boxes)
                attention |= found | {f"window_{number + 1}": window}
                x = cut(source, window, images.shape[2])
        learners = [learnt for scale in scales for learnt in scale.learnt]
        pooled = [given for scale in scales for given in scale.given]
        features["emb"], features["conv"] = torch.cat(learners, dim=1), torch.cat(pooled, dim=1)
        return Output(_embed(learners), tuple(scales), features, attention)

    def _window(
        self, number: int, x: Tensor, maps: Mapping[str, Tensor], side: int, window: Tensor, boxes: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Where the next scale looks, (N, 4) in fractions of the image, and what attention says about it."""
        zoom = self.zoom
        if zoom.kind == "object":
            if boxes is None:
                raise UserError("The zoom 'object' needs the boxes of the objects; set data.boxes to true.")
            return boxes, {}
        if zoom.kind != "attention":
            place = torch.full_like(x[:, :2, 0, 0], 0.5) if zoom.kind == "centre" else chance(x)
            return inside(window, placed(place, torch.full_like(place, SIDE))), {}
        merged = {}
        for layer in zoom.layers:
            branches = maps[layer].unflatten(0, (-1, len(x)))
            merged[layer] = branches[0] if zoom.source == "first" else branches.mean(dim=0)
        box, found = object_window(merged, side, number, zoom.walk)
        return inside(window, box), found


def _embed(learners: Sequence[Tensor]) -> Tensor:
    """Learners L2-normalised, side by side, of unit length together (DeML section 4, "Evaluation")."""
    return torch.cat([F.normalize(x, dim=1) for x in learners], dim=1) / len(learners) ** 0.5
