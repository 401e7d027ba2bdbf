"""One trunk, J gated views of one of its maps, a learner each: what DeML(1, J), ABE and DIABLO have in common.

The trunk embeds an image as far as the gated stage once. J gates make J maps of that one, which pass the rest of the
trunk as one batch of J N images and end in J linear learners. Explained on page: channel-attention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reproducible.attention.gates import fold, means
from reproducible.backbones.base import Backbone
from reproducible.models.unified import Learner
from reproducible.resources import UserError
from reproducible.types import Scale, at_least_fp32


@dataclass(frozen=True)
class Place:
    """Where gates stand in a trunk, by names of its stages.

    Attributes:
        looks: the stage whose map they read.
        gates: the stage whose map they multiply.
        through: the last of the further stages that they look through, a copy of the trunk's own behind ``looks`` with
            the weights that it starts from; empty: they read the map as it is.
    """

    looks: str
    gates: str
    through: str = ""


PRE = Place("pool3", "pool3", through="4e")
"""Early, on a map that all stages of the trunk behind it are yet to see: ABE, and DIABLO's pre-attention."""
POST = Place("pool4", "5b", through="5b")
"""On the last map of the trunk: DIABLO's post-attention. Gates and trunk each have their 5a and 5b."""


class Branches(nn.Module):
    """One look at the images.

    Args:
        trunk: the trunk.
        branches: J.
        dim: of each learner.
        gate: makes the gates as :mod:`reproducible.attention.gates` says; None: J learners read the same features.
        place: of the gates.
        shared_learner: all learners share one weight.
        own_tails: each branch has stages behind the gated one of its own, which start from the trunk's; without gates
            these are J plain heads on one map.

    Attributes:
        own: the further stages that the gates look through; None where they read a map as it is.
        tails: the stages behind the gated one of all branches but the first, whose are the trunk's; empty: all branches
            pass the trunk's.

    Raises:
        UserError: if the trunk has no such stage, or none behind the gated one for each branch to have; if there is no
            learner, or it has no dimension.
    """

    def __init__(
        self,
        trunk: Backbone,
        branches: int,
        dim: int,
        gate: Callable[[int, int, int], nn.Module] | None = None,
        place: Place = PRE,
        shared_learner: bool = True,
        own_tails: bool = False,
    ) -> None:
        super().__init__()
        if branches < 1 or dim < 1:
            raise UserError(f"There must be at least 1 branch of 1 dimension, got {branches} of {dim}.")
        self.trunk, self.branches, self.place = trunk, branches, place
        self.own = self.gates = None
        if gate is not None:
            for stage in (place.looks, place.gates):
                trunk.index(stage)
            self.own = trunk.part(place.looks, place.through) if place.through else None
            read = trunk.channels[place.through or place.looks]
            self.gates = gate(read, trunk.channels[place.gates], branches)
        tails = branches - 1 if own_tails else 0
        self.tails = nn.ModuleList(trunk.part(after=place.gates) for _ in range(tails))
        matrices = 1 if shared_learner else branches
        self.learners = nn.ModuleList(Learner(trunk.channels[trunk.last], dim) for _ in range(matrices))

    def forward(self, x: Tensor, collect: tuple[str, ...] = ()) -> tuple[Scale, dict[str, Tensor]]:
        """Learners' outputs in fp32 at least, and maps.

        Args:
            x: what the trunk takes, of N images.
            collect: stages whose maps are wanted, behind the gates.

        Returns:
            The scale, and :meth:`maps` of ``collect``.

        Raises:
            UserError: if the factors of the gates do not fit the map.
        """
        last, factors, found = self.trunk.last, None, {}
        if self.gates is None and not self.tails:
            found = self.trunk(x, (*collect, last))
        else:
            maps, factors = self.look(x)
            if collect or self.place.gates != last:
                found = self._behind(maps, factors, (*collect, last))
        with torch.autocast(x.device.type, enabled=False):
            if found:
                pooled = at_least_fp32(found[last]).mean(dim=(2, 3)).unflatten(0, (-1, len(x)))
            else:
                pooled = means(at_least_fp32(maps), at_least_fp32(factors))
            given = tuple(pooled.expand(self.branches, -1, -1))
            learners = [self.learners[min(j, len(self.learners) - 1)] for j in range(self.branches)]
            learnt = tuple(learner(features) for learner, features in zip(learners, given, strict=True))
        return Scale(learnt, given, tuple(learner.weight for learner in learners), factors), found

    def look(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The map that is gated, :math:`(N, C, H, W)`, and the factors of its gates, None where there are none.

        Raises:
            UserError: if they do not fit.
        """
        place = self.place
        if self.gates is None:
            return self.trunk(x, (place.gates,))[place.gates], None
        seen = self.trunk(x, (place.looks, place.gates))
        read = seen[place.looks] if self.own is None else self.own(seen[place.looks])[self.own.last]
        maps, factors = seen[place.gates], self.gates(read)
        if any(one not in (1, other) for one, other in zip(factors.shape[2:], maps.shape[1:], strict=True)):
            given, wanted = tuple(factors.shape[2:]), tuple(maps.shape[1:])
            where = place.through or place.looks
            raise UserError(f"Gates that read {where} give (C, H, W) = {given}; the map of {place.gates} is {wanted}.")
        return maps, factors

    def maps(self, x: Tensor, collect: tuple[str, ...], branches: int | None = None) -> dict[str, Tensor]:
        """Maps of stages behind the gates, by name, with the first so many branches (None: all) in the batch axis,
        :math:`(J N, C, H, W)`, branch by branch; :math:`(N, C, H, W)` without gates."""
        if self.gates is None and not self.tails:
            return self.trunk(x, collect)
        maps, factors = self.look(x)
        return self._behind(maps, factors, collect, branches)

    def _behind(
        self, maps: Tensor, factors: Tensor | None, collect: tuple[str, ...], branches: int | None = None
    ) -> dict[str, Tensor]:
        stage = self.place.gates
        further = tuple(name for name in collect if name != stage)
        if self.tails:
            trunks = (self.trunk, *self.tails)[:branches]
            given = [maps] * len(trunks) if factors is None else [maps * of_branch for of_branch in factors[:branches]]
            passed = [trunk.walk(x, stage, further) for trunk, x in zip(trunks, given, strict=True) if further]
            found = {stage: torch.cat(given)} if stage in collect else {}
            return found | {name: torch.cat([one[name] for one in passed]) for name in further}
        gated = fold(maps, factors[:branches])
        found = {stage: gated} if stage in collect else {}
        return found | self.trunk.walk(gated, stage, further) if further else found
