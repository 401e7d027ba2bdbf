"""Switches of the head beyond what DeML, ABE and DIABLO publish."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible import registry
from reproducible.attention.sigmoid import SigmoidGates
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.models.head import GATES, PLACES
from reproducible.resources import UserError
from reproducible.training.seeding import initialise

N = 3


def pictures() -> Tensor:
    coarse = 255 * torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(48, 48), mode="bilinear")


def made(trunk: nn.Module | None = None, **options: object) -> nn.Module:
    model = registry.build("model", "head", trunk or CompactGoogLeNet(), **{"dim": 24, "branches": 3, **options})
    initialise(model, 3)
    return model.eval()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("gate", GATES)
def test_every_gate_stands_at_both_places(gate: str, place: str) -> None:
    output = made(gate=gate, place=place, hidden=4)(pictures())
    assert [learnt.shape for learnt in output.learners] == [(N, 8)] * 3
    assert (output.scales[0].factors is None) == (gate == "none")
    assert torch.isfinite(output.embedding).all()


@pytest.mark.parametrize("gate", ["none", "dimension"])
def test_own_tails_start_as_the_trunk_and_train_apart(gate: str) -> None:
    plain, own = (made(gate=gate, own_tails=tails).train() for tails in (False, True))
    for a, b in zip(plain(pictures()).learners, own(pictures()).learners, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    scale = own.scales[0]
    behind = [scale.trunk, *scale.tails]
    assert len(behind) == 3
    trained = [t.stages["4b"].reduce[0].weight for t in behind]
    own(pictures()).embedding.cumsum(1).square().sum().backward()
    assert len({weight.grad.norm().item() for weight in trained}) == 3
    counts = [sum(p.numel() for p in model.parameters()) for model in (plain, own)]
    tail = sum(
        p.numel()
        for name, s in scale.trunk.stages.items()
        if name >= "4" and name != "pool3" and name[0] in "45"
        for p in s.parameters()
    )
    assert counts[1] - counts[0] == 2 * tail


def test_own_tails_from_the_maps_of_a_stage() -> None:
    """Behind a frozen pool3 its maps stand for images."""
    trunk, whole = CompactGoogLeNet(), CompactGoogLeNet().eval()
    trunk.freeze("pool3")
    model = made(trunk, gate="none", own_tails=True)
    maps = whole(pictures(), ("pool3",))["pool3"].half().float()
    for a, b in zip(model(pictures()).learners, model(maps).learners, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_nothing_lies_behind_the_last_stage_to_be_had_twice() -> None:
    with pytest.raises(UserError, match="Stage '5b' of CompactGoogLeNet does not lie behind '5b'"):
        made(gate="feature", place="post", own_tails=True)
    with pytest.raises(
        UserError, match=r"Head.gate must be one of pooled, .*, got 'sigmoidal'. Did you mean 'sigmoid'"
    ):
        made(gate="sigmoidal")


def test_gates_of_abe_start_by_glorots_rule() -> None:
    torch.manual_seed(0)
    drawn = SigmoidGates(60, 40, 5, glorot=True).excite
    plain = partial(nn.Conv2d, 60, 200, 1)()
    for block in drawn.weight.chunk(5):
        assert block.abs().max().item() == pytest.approx((6 / 100) ** 0.5, rel=1e-2)
    assert drawn.bias.abs().sum() == 0 and plain.bias.abs().sum() > 0
