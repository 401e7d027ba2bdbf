"""The one interface of all backbones: named stages, splits between them, preprocessing that belongs to the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from reproducible.resources import UserError, nearest_name


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
        channels: number of channels that each stage puts out.
        mean: what ``preprocess`` subtracts, in the channel order of the network, on the scale 0 to 255.
        std: what ``preprocess`` then divides by, on the same scale; None: it does not divide.
        bgr: whether the network wants blue first.
        source: file that the weights were read from; None: they are initial values, or ship with the package.
    """

    source: Path | None = None

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
            images: RGB, 0 to 255, float, :math:`(N, 3, H, W)`.
            collect: names of the stages wanted; empty: the last. Nothing behind the deepest one is computed.

        Returns:
            Map of each stage, :math:`(N, C, H', W')`, by name.

        Raises:
            UserError: if there is no such stage.
        """
        return self.walk(self.preprocess(images), collect=collect)

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
                raise UserError(f"Stage {name!r} of {type(self).__name__} does not lie behind {after!r}.")
        for name, stage in list(self.stages.items())[first:]:
            x = stage(x)
            if name in wanted:
                maps[name] = x
                if len(maps) == len(wanted):
                    break
        return maps

    def split_at(self, stage: str) -> tuple[nn.Sequential, nn.Sequential]:
        """The chain cut behind ``stage``: head (which ends with it) and tail, sharing this module's parameters.

        Both work on maps: the head takes the preprocessed input.

        Raises:
            UserError: if there is no such stage.
        """
        cut = self.index(stage) + 1
        parts = list(self.stages.values())
        return nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])

    def index(self, stage: str) -> int:
        """Place of a stage in the chain.

        Raises:
            UserError: if there is no such stage, with the nearest one.
        """
        names = list(self.stages)
        if stage not in names:
            raise UserError(f"{type(self).__name__} has no stage {stage!r}.{nearest_name(stage, names)}")
        return names.index(stage)
