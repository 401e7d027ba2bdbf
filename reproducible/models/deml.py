r"""DeML(I, J): I scales, each a zoom into the one before, with J gated learners each (DeML section 3, Fig. 2).

Scale i embeds its image as far as the stage ``at``; J channel gates make J maps of that one, which pass the rest of the
trunk as one batch of J N images and end in J linear learners. Object attention on the maps of scale i says which window
scale i + 1 sees. No gradient passes from a window to the maps that it comes from. Explained on page: grid.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.attention.channel import ChannelGates, FixedGates, fold
from reproducible.attention.object import FORMS
from reproducible.attention.windows import chance, cut, inside, object_window, placed, whole_image
from reproducible.backbones.base import Backbone, as_tested
from reproducible.models.unified import Learner, at_least_fp32
from reproducible.resources import UserError, nearest_name
from reproducible.types import Output, Scale

GATES = ("pooled", "unpooled", "trunk", "fixed", "none")
ZOOMS = ("attention", "full", "centre", "random", "object")
SOURCES = ("first", "mean")


class TrunkGates(nn.Module):
    """The attention of Kim et al. 2018 (ABE): a copy of the next stages of the trunk, shared by all gates, then a 1x1
    convolution and the logistic function for each gate; one factor a channel and position.

    Args:
        backbone: the trunk that the stages are copied from, with their weights.
        at: the stage whose map is gated.
        until: the last stage copied; its map is as large as that of ``at``.
        branches: J.
    """

    def __init__(self, backbone: Backbone, at: str, until: str, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.trunk = backbone.part(at, until)
        self.excite = nn.Conv2d(backbone.channels[until], branches * backbone.channels[at], 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Factors of each gate, :math:`(J, N, C, H, W)`, for maps :math:`(N, C, H, W)`."""
        seen = self.trunk(maps)[self.trunk.last]
        return torch.sigmoid(self.excite(seen).unflatten(1, (self.branches, -1)).transpose(0, 1))


class DeML(nn.Module):
    """The model and its controls.

    Args:
        backbone: the trunk; each scale has a copy of its own that starts from the same weights.
        scales: I.
        branches: J.
        dim: d; each learner has ``dim // (scales * branches)`` dimensions.
        gate: ``pooled`` (the document's), ``unpooled`` (the released code's), ``trunk`` (ABE's, which looks through a
            copy of the stages as far as ``until``), or as controls ``fixed`` (drawn once) and ``none``: J plain heads.
        at: the stage behind which the gates stand (pool3 in the document, 4b in the released code).
        until: of the gate ``trunk`` alone.
        hidden: width of a gate's inner layer.
        gain: of a gate's initial weights, as in :class:`reproducible.attention.channel.ChannelGates`.
        shared_trunk: all scales use one trunk.
        shared_learner: the learners of a scale share their weight, as in the released code; J plain heads cannot.
        zoom: what the scales behind the first one see: ``attention``, or as controls ``full`` (the first one's image),
            ``centre`` and ``random`` (a square of ``side`` of the window before) and ``object`` (the square about the
            known object, the same for all of them).
        side: of the controls' squares.
        layers: the stages that object attention looks at.
        form, steps, locality: of the walk, as in :func:`reproducible.attention.object.object_map`.
        source: maps of the ``first`` branch or the ``mean`` over branches feed object attention.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """

    def __init__(
        self,
        backbone: Backbone,
        scales: int = 3,
        branches: int = 3,
        dim: int = 512,
        gate: str = "pooled",
        at: str = "pool3",
        until: str = "4e",
        hidden: int = 64,
        gain: float = 1.0,
        shared_trunk: bool = False,
        shared_learner: bool = True,
        zoom: str = "attention",
        side: float = 0.75,
        layers: tuple[str, ...] = ("4e", "5b"),
        form: str = "columns",
        steps: int = 10,
        locality: float = 0.0,
        source: str = "first",
    ) -> None:
        super().__init__()
        for name, value, known in (("gate", gate, GATES), ("zoom", zoom, ZOOMS), ("form", form, FORMS)):
            _require(value in known, name, f"one of {', '.join(known)}", value, nearest_name(value, known))
        _require(source in SOURCES, "source", f"one of {', '.join(SOURCES)}", source)
        _require(scales >= 1, "scales", "at least 1", scales)
        _require(branches >= 1, "branches", "at least 1", branches)
        _require(dim >= scales * branches, "dim", f"at least scales x branches = {scales * branches}", dim)
        _require(0 < side <= 1, "side", "above 0 and at most 1", side)
        plain = gate == "none"
        last = backbone.index(backbone.last)
        _require(plain or backbone.index(at) < last, "at", f"a stage before the last, {backbone.last}", at)
        _require(gate != "trunk" or backbone.index(until) > backbone.index(at), "until", f"a stage behind {at}", until)
        _require(not (plain and shared_learner and branches > 1), "shared_learner", "false for ungated heads", True)
        first = 0 if plain else backbone.index(at) + 1
        if zoom == "attention" and scales > 1:
            _require(len(layers) > 0, "layers", "at least one stage", layers)
            for layer in layers:
                _require(backbone.index(layer) >= first, "layers", f"behind the gates at {at}", layer)
        self.scales, self.branches, self.at = scales, branches, at
        self.zoom, self.side, self.layers, self.source = zoom, side, layers, source
        self.walk = {"form": form, "steps": steps, "locality": locality}
        copies = [] if shared_trunk else [copy.deepcopy(backbone) for _ in range(scales - 1)]
        self.trunks = nn.ModuleList([backbone, *copies])
        size, channels = dim // (scales * branches), backbone.channels
        self.gates = nn.ModuleList(
            TrunkGates(backbone, at, until, branches)
            if gate == "trunk"
            else FixedGates(channels[at], branches)
            if gate == "fixed"
            else ChannelGates(channels[at], branches, hidden, gate == "pooled", gain)
            for _ in range(0 if plain else scales)
        )
        self.learners = nn.ModuleList(
            nn.ModuleList(Learner(channels[backbone.last], size) for _ in range(1 if shared_learner else branches))
            for _ in range(scales)
        )
        if scales == branches == 1:
            self.learners[0][0].stream = "learner"  # that of U_d, from which this differs by its gate alone

    @property
    def cuts(self) -> bool:
        """Whether it cuts windows out of its images, so that their maps are not enough."""
        return self.scales > 1 and self.zoom != "full"

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
            of the window before for want of an object (``whole_2`` ..., (N, 1)). Its weights are one a learner, I J: a
            matrix that the learners of a scale share is there J times, and penalties on weights count it J times.

        Raises:
            UserError: if the zoom is ``object`` and no boxes are given.
            FloatingPointError: if object attention finds a map that is not finite.
        """
        source = images if view is None else view
        window = whole_image(images)
        x, first = images, images if maps is None else maps
        scales, features, attention = [], {}, {}
        for scale in range(self.scales):
            maps, gates = self._maps(scale, x if scale else first)
            looked = self._learn(scale, maps[self._trunk(scale).last], len(x), gates)
            scales.append(looked)
            if gates is not None:
                attention[f"gate_{scale + 1}"] = looked.mean_factors.transpose(0, 1)
            features[f"scale_{scale + 1}"] = _embed(looked.learnt)
            if scale + 1 < self.scales and self.zoom != "full":
                if self.zoom == "attention" and view is not None:
                    seen = view if scale == 0 else cut(view, window, view.shape[2])
                    # After the pass with gradients, because autocast keeps the weights that it casts first.
                    with torch.no_grad(), as_tested(self):
                        maps, _ = self._maps(scale, seen, 1 if self.source == "first" else self.branches)
                if self.zoom == "object":
                    window, found = self._known(boxes), {}
                else:
                    box, found = self._box(scale, x, maps, source.shape[2])
                    window = inside(window, box)
                attention |= found | {f"window_{scale + 2}": window}
                x = cut(source, window, images.shape[2])
        learners = [x for scale in scales for x in scale.learnt]
        pooled = [x for scale in scales for x in scale.given]
        features["emb"], features["conv"] = torch.cat(learners, dim=1), torch.cat(pooled, dim=1)
        return Output(_embed(learners), tuple(scales), features, attention)

    def _trunk(self, scale: int) -> Backbone:
        return self.trunks[min(scale, len(self.trunks) - 1)]

    def _learner(self, scale: int, branch: int) -> Learner:
        shared = self.learners[scale]
        return shared[min(branch, len(shared) - 1)]

    def _maps(self, scale: int, x: Tensor, branches: int | None = None) -> tuple[dict[str, Tensor], Tensor | None]:
        """Maps of the layers wanted, with the (first) branches in the batch axis, and the factors of the gates."""
        trunk = self._trunk(scale)
        attends = self.zoom == "attention" and scale + 1 < self.scales
        collect = (*self.layers, trunk.last) if attends else (trunk.last,)
        if not self.gates:
            return trunk(x, collect), None
        head = trunk(x, (self.at,))[self.at]
        gates = self.gates[scale](head)
        return trunk.walk(fold(head, gates[:branches]), self.at, collect), gates

    def _learn(self, scale: int, maps: Tensor, images: int, gates: Tensor | None) -> Scale:
        """What goes into each learner of a scale, and what comes out, in fp32 at least."""
        with torch.autocast(maps.device.type, enabled=False):
            pooled = at_least_fp32(maps).mean(dim=(2, 3)).unflatten(0, (-1, images))
            given = tuple(pooled.expand(self.branches, -1, -1))
            learners = [self._learner(scale, j) for j in range(self.branches)]
            learnt = tuple(learner(x) for learner, x in zip(learners, given, strict=True))
            return Scale(learnt, given, tuple(learner.weight for learner in learners), gates)

    def _known(self, boxes: Tensor | None) -> Tensor:
        if boxes is None:
            raise UserError("DeML.zoom 'object' needs the boxes of the objects; set data.boxes to true.")
        return boxes

    def _box(self, scale: int, x: Tensor, maps: dict[str, Tensor], side: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Where the next scale looks, (N, 4) in fractions of what this one sees, and what attention says about it."""
        if self.zoom != "attention":
            place = torch.full_like(x[:, :2, 0, 0], 0.5) if self.zoom == "centre" else chance(x)
            return placed(place, torch.full_like(place, self.side)), {}
        seen = {}
        for layer in self.layers:
            branches = maps[layer].unflatten(0, (-1, len(x)))
            seen[layer] = branches[0] if self.source == "first" else branches.mean(dim=0)
        return object_window(seen, side, scale + 1, self.walk)


def _require(condition: bool, name: str, rule: str, value: object, hint: str = "") -> None:
    if not condition:
        raise UserError(f"DeML.{name} must be {rule}, got {value!r}.{hint}")


def _embed(learners: Sequence[Tensor]) -> Tensor:
    """Learners L2-normalised, side by side, of unit length together (DeML section 4, "Evaluation")."""
    return torch.cat([F.normalize(x, dim=1) for x in learners], dim=1) / len(learners) ** 0.5
