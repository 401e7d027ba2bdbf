"""Golden numbers of every recorded model: a variant that computes something else needs another behaviour version."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import golden_models
import pytest
import torch
from golden_models import complaint, compute
from patching import everywhere
from torch import Tensor, nn

from reproducible.attention import object as object_attention
from reproducible.attention import windows
from reproducible.attention.channel import ChannelGates
from reproducible.attention.fixed import FixedGates
from reproducible.attention.sigmoid import SigmoidGates
from reproducible.attention.squeeze_excitation import SqueezeExcitation
from reproducible.attention.variance import VarianceEstimation
from reproducible.models.unified import Learner

GOLDEN = json.loads(golden_models.FILE.read_text())


@pytest.mark.parametrize("golden", GOLDEN, ids=[f"{g['model']}-{number}" for number, g in enumerate(GOLDEN)])
def test_recorded_model_computes_what_its_version_says(golden: golden_models.Case) -> None:
    found = complaint(compute(golden), golden)
    assert not found, found


def steeper(gate: type) -> Callable[[pytest.MonkeyPatch], None]:
    """The logistic function of a gate rises a little faster."""
    original = gate.forward

    def forward(self: nn.Module, maps: Tensor) -> Tensor:
        return torch.sigmoid(1.01 * torch.logit(original(self, maps)))

    return lambda patch: patch.setattr(gate, "forward", forward)


def longer(part: type) -> Callable[[pytest.MonkeyPatch], None]:
    """What a module puts out is a little longer, in the same direction."""
    original = part.forward
    return lambda patch: patch.setattr(part, "forward", lambda self, x: 1.001 * original(self, x))


def other(function: Callable[..., Any], changed: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """What a function returns is changed."""
    return lambda patch: everywhere(patch, function, lambda *given, **options: changed(function(*given, **options)))


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"gate": "trunk"}, steeper(SigmoidGates)),
        ({"gate": "pooled", "scales": 1, "branches": 8}, steeper(ChannelGates)),
        ({"gate": "fixed"}, steeper(FixedGates)),
        ({"gate": "none", "branches": 4}, longer(Learner)),
        ({"zoom": "random"}, other(windows.chance, lambda place: 1 - place)),
        ({"zoom": "centre"}, other(windows.placed, lambda window: 0.99 * window)),
        ({"place": "elsewhere", "dim": 128}, other(windows.chance, lambda place: 1 - place)),
        ({"form": "degree"}, other(object_attention.object_map, lambda mass: mass.square())),
        ({"gate": "inverse_variance", "dim": 32}, longer(VarianceEstimation)),
        ({"gate": "squeeze_excitation"}, longer(SqueezeExcitation)),
        ({"place": "maps"}, longer(VarianceEstimation)),
    ],
)
def test_recorded_variant_that_was_changed_on_purpose_is_noticed(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    golden = next(g for g in GOLDEN if options.items() <= g["options"].items())
    change(monkeypatch)
    assert "raise its version" in complaint(compute(golden), golden)
