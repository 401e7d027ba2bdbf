"""The gates of DeML and its controls: what trains, what is drawn once, what looks through stages of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TinyTrunk
from torch import Tensor, nn

from reproducible.attention.fixed import FixedGates
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.models.deml import deml as build
from reproducible.models.ensemble import Ensemble
from reproducible.training.seeding import initialise

N = 4


def pictures(side: int = 32) -> Tensor:
    """Blotches, so that maps differ from place to place."""
    coarse = 255 * torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(side, side), mode="bilinear").contiguous(memory_format=torch.channels_last)


def deml(**options: Any) -> Ensemble:
    """DeML(1, 3) on the small trunk."""
    model = build(TinyTrunk(), 1, 3, dim=24, at="low", hidden=4, **options)
    initialise(model, 3)
    return model.eval()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_fixed_gates_are_drawn_once_and_stay() -> None:
    model = deml(gate="fixed")
    found, others = (model(images).attention["gate_1"] for images in (pictures(), 255 - pictures()))
    assert torch.equal(found, others)  # whatever the image
    assert torch.equal(found[0], found[1])
    wide = FixedGates(0, 2000, 2)
    initialise(wide, 0)
    logits = torch.logit(wide(torch.zeros(1, 2000, 2, 2)).flatten())
    assert (logits.mean().item(), logits.std().item()) == (pytest.approx(0, abs=0.1), pytest.approx(1, abs=0.1))
    assert len(logits.unique()) > 3900  # each channel of each gate has its own
    assert not any(p.requires_grad for p in model.scales[0].gates.parameters())
    low = model.scales[0].trunk(pictures(), ("low",))["low"]
    tail = model.scales[0].trunk.walk(low * found[0, 2][:, None, None], "low")["high"]
    torch.testing.assert_close(model(pictures()).inputs[2], tail.mean((2, 3)))


@pytest.mark.parametrize("gate", ["pooled", "fixed"])
@pytest.mark.parametrize("training", ["usual", "trained", "frozen"])
def test_gates_that_look_or_not_train_or_not(gate: str, training: str) -> None:
    """The values that they start from are the same; all but the gates trains in any case."""
    model = deml(gate=gate, training=training)
    assert torch.equal(model(pictures()).embedding, deml(gate=gate)(pictures()).embedding)
    trains = {"usual": gate == "pooled", "trained": True, "frozen": False}[training]
    model(pictures()).embedding.cumsum(1).square().sum().backward()
    for name, parameter in model.named_parameters():
        moved = parameter.grad is not None and parameter.grad.abs().sum() > 0
        assert moved == (trains or "gates" not in name), name


def test_gates_of_abe_look_through_stages_of_their_own() -> None:
    trunk = CompactGoogLeNet()
    model = build(trunk, 1, 3, dim=24, gate="trunk")
    passed = [trunk.stages[name] for name in ("4a", "4b", "4e")]  # none that is not passed through
    assert count(model.scales[0].own) == sum(map(count, passed))
    assert count(build(trunk, 1, 3, dim=24, gate="trunk", at="4b").scales[0].own) == count(passed[2])
    initialise(model, 3)
    model.eval()
    low = trunk(pictures(48), ("pool3",))["pool3"]
    maps = trunk.walk(low, "pool3", ("4e",))["4e"]  # the copy starts from the same weights
    excite = model.scales[0].gates.excite
    gates = torch.sigmoid(F.conv2d(maps, excite.weight, excite.bias)).unflatten(1, (3, -1))
    found = model(pictures(48))
    torch.testing.assert_close(found.attention["gate_1"], gates.mean((3, 4)))
    tail = trunk.walk(low * gates[:, 1], "pool3")["5b"].mean((2, 3))
    torch.testing.assert_close(found.inputs[1], tail)
    with torch.no_grad():
        next(trunk.stages["4a"].parameters()).zero_()
    torch.testing.assert_close(model(pictures(48)).attention["gate_1"], found.attention["gate_1"])
    sum(x.square().mean() for x in model(pictures(48)).learners).backward()
    assert all(p.grad is not None for p in model.parameters())  # no stage is copied in vain
