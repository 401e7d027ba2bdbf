"""The one interface of all backbones: named stages, pieces of them, preprocessing that belongs to the network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from reproducible.resources import UserError, nearest_name

_COLOURS = 3  # channels of images; no stage puts out so few


@contextmanager
def as_tested(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode, so that a look at other images leaves no trace in running statistics.

    Each of its modules gets back the mode that it had, also where the look fails: what is frozen stays so.
    """
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


class Backbone(nn.Module):
    """A convolutional trunk as an ordered chain of named stages (page: benchmark and protocol).

    Attributes:
        stages: the stages in order, by the names of the papers (pool3, 4b, 4e, pool4, 5b for GoogLeNet).
        channels: number of channels that each stage puts out, and the one that it begins behind.
        mean: what ``preprocess`` subtracts, in the channel order of the network, on the scale 0 to 255.
        std: what ``preprocess`` then divides by, on the same scale; None: it does not divide.
        bgr: whether the network wants blue first.
        source: file that the weights were read from; None: they are initial values, or ship with the package.
        after: the stage that it begins behind, whose maps it takes in place of images; empty: it is no :meth:`part`, or
            one from the beginning.
        frozen: the stage up to which it was frozen (:meth:`freeze`), whose maps it takes as well; empty: all train.
    """

    source: Path | None = None
    after: str = ""
    frozen: str = ""

    def __init__(
        self,
        stages: Mapping[str, nn.Module],
        channels: Mapping[str, int],
        mean: Iterable[float],
        bgr: bool,
        std: Iterable[float] | None = None,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.channels = dict(channels)
        self.bgr = bgr
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(1, 3, 1, 1), persistent=False)
        divisor = None if std is None else torch.tensor(tuple(std)).view(1, 3, 1, 1)
        self.register_buffer("std", divisor, persistent=False)

    @property
    def last(self) -> str:
        """Name of the last stage."""
        return next(reversed(self.channels))

    def preprocess(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), RGB, 0 to 255, to the input that the network was trained on."""
        centred = (images.flip(1) if self.bgr else images) - self.mean
        return centred if self.std is None else centred / self.std

    def forward(self, images: Tensor, collect: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """Feature maps of the named stages.

        Args:
            images: RGB, 0 to 255, float, :math:`(N, 3, H, W)`; of a part, maps of the stage that it begins behind;
                where stages are frozen also maps of the last of them, as :meth:`below` gives them.
            collect: names of the stages wanted; empty: the last. Nothing behind the deepest one is computed. The stage
                whose maps are given stands for them.

        Returns:
            Map of each stage, :math:`(N, C, H', W')`, by name.

        Raises:
            UserError: if there is no such stage, or it lies before the last that is frozen.
        """
        start = self.frozen or self.after
        if not start:
            return self.walk(self.preprocess(images), collect=collect)
        given = self.below(images) if self.frozen and images.shape[1] == _COLOURS else images
        wanted = collect or (self.last,)
        maps = {start: given} if start in wanted else {}
        behind = tuple(name for name in wanted if name != start)
        return maps | self.walk(given, start, behind) if behind else maps

    def freeze(self, stage: str) -> None:
        """Freeze the first stages, as far as ``stage``: no gradient, no training mode, and their maps are rounded.

        Raises:
            UserError: if there is no such stage, or it is the last.
        """
        stages = list(self.stages.values())[: self.index(stage) + 1]
        if len(stages) == len(self.stages):
            raise UserError(f"Stage {stage!r} is the last of {type(self).__name__}: nothing would be left to train.")
        self.frozen = stage
        for part in stages:
            part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Backbone:
        """As of any module, but what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for part in list(self.stages.values())[: self.index(self.frozen) + 1]:
                part.eval()
        return self

    @torch.no_grad()
    def below(self, images: Tensor) -> Tensor:
        """Map of the last frozen stage, rounded to half precision, which is how such maps are kept.

        Args:
            images: RGB, 0 to 255, float, :math:`(N, 3, H, W)`.
        """
        maps = self.walk(self.preprocess(images), collect=(self.frozen,))[self.frozen]
        return maps.half().to(maps.dtype)

    def walk(self, x: Tensor, after: str = "", collect: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """The maps of :meth:`forward`, from the map of a stage on.

        Args:
            x: map of the stage ``after``, or what :meth:`preprocess` gives where that is empty.
            after: the stage that the walk goes on from.
            collect: stages wanted, all of them behind ``after``; empty: the last.

        Raises:
            UserError: if there is no such stage, or it does not lie behind ``after``.
        """
        first = self.index(after) + 1 if after else 0
        wanted, maps = set(collect or (self.last,)), {}
        for name in wanted:
            if self.index(name) < first:
                raise UserError(f"Stage {name!r} of {type(self).__name__} does not lie behind {after or self.after!r}.")
        for name, stage in list(self.stages.items())[first:]:
            x = stage(x)
            if name in wanted:
                maps[name] = x
                if len(maps) == len(wanted):
                    break
        return maps

    def part(self, after: str = "", until: str = "") -> Backbone:
        """A piece of the trunk as a trunk of its own: a copy of some stages with the weights that they have now.

        Args:
            after: the stage that the piece begins behind, whose maps it takes; empty: it begins where this one does.
            until: its last stage; empty: the last of this one.

        Raises:
            UserError: if there is no such stage, or none between the two.
        """
        first, last = self.index(after) + 1 if after else 0, until or self.last
        kept = list(self.stages)[first : self.index(last) + 1]
        if not kept:
            raise UserError(f"Stage {last!r} of {type(self).__name__} does not lie behind {after or self.after!r}.")
        stages = nn.ModuleDict({name: copy.deepcopy(self.stages[name]) for name in kept})
        piece = copy.deepcopy(self, {id(self.stages): stages})  # all but the stages, which are those that are kept
        piece.after = after or self.after
        piece.frozen = self.frozen if self.frozen in kept and not piece.after else ""
        piece.channels = {name: self.channels[name] for name in (piece.after, *kept) if name}
        return piece

    def index(self, stage: str) -> int:
        """Place of a stage in the chain; -1 for the one that a part begins behind.

        Raises:
            UserError: if there is no such stage, with the nearest one.
        """
        if stage and stage == self.after:
            return -1
        names = list(self.stages)
        if stage not in names:
            raise UserError(f"{type(self).__name__} has no stage {stage!r}.{nearest_name(stage, names)}")
        return names.index(stage)
