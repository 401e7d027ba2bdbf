"""A look at other images, in evaluation mode, gives each module back the mode that it had."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tiny_runs import TinyTrunk
from torch import Tensor, nn

from reproducible.backbones.base import as_tested
from reproducible.models.deml import deml
from reproducible.models.zoomed import Zoomed


def pictures(side: int) -> Tensor:
    return 255 * torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: part.training for name, part in model.named_modules()}


def normalised() -> TinyTrunk:
    """A trunk with running statistics in both stages."""
    trunk = TinyTrunk()
    trunk.stages["low"] = nn.Sequential(trunk.stages["low"], nn.BatchNorm2d(8))
    trunk.stages["high"] = nn.Sequential(trunk.stages["high"], nn.BatchNorm2d(12))
    return trunk


@pytest.mark.parametrize("training", [True, False])
def test_every_module_gets_its_mode_back(training: bool) -> None:
    trunk = normalised().train(training)
    trunk.stages["high"].train(not training)
    before = modes(trunk)
    assert set(before.values()) == {True, False}
    with as_tested(trunk):
        assert not any(modes(trunk).values())
    assert modes(trunk) == before


def test_a_look_that_fails_gives_modes_back_as_well() -> None:
    trunk = normalised().train()
    trunk.stages["high"].eval()
    before = modes(trunk)
    with pytest.raises(ZeroDivisionError), as_tested(trunk):
        raise ZeroDivisionError
    assert modes(trunk) == before


@pytest.mark.parametrize(
    "build",
    [
        lambda: deml(normalised(), 2, 1, dim=8, at="low", hidden=4, layers=("high",)),
        lambda: Zoomed(normalised(), 8, layers=("high",)),
        lambda: Zoomed(normalised(), 8, looks="trained", layers=("high",)),
    ],
    ids=["deml", "zoomed", "zoomed, one network"],
)
def test_what_a_user_freezes_stays_frozen_over_forward_passes(build: Callable[[], nn.Module]) -> None:
    model = build().train()
    frozen = [part for name, part in model.named_modules() if name.endswith("stages.high")]
    for part in frozen:
        part.eval()
    before, statistics = modes(model), [part[1].running_mean.clone() for part in frozen]
    for _ in range(2):
        model(pictures(32), pictures(48))
        assert modes(model) == before
    for part, kept in zip(frozen, statistics, strict=True):
        assert torch.equal(part[1].running_mean, kept)
