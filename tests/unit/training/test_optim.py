"""Optimiser groups: which parameter gets which rate and decay, and none is forgotten."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning.losses import ProxyNCALoss
from tiny_runs import TinyTrunk
from torch import nn

from reproducible.config import OptimiserConfig
from reproducible.losses.adversary import Adversary
from reproducible.losses.binomial_deviance import BinomialDeviance
from reproducible.losses.margin import MarginLoss
from reproducible.losses.objective import Objective
from reproducible.models.unified import Unified
from reproducible.training.optim import build_optimiser, build_schedule

CONFIG = OptimiserConfig(lr=1e-3, head_multiplier=10.0, weight_decay=0.5)


class WithBias(Unified):
    """U_d and a layer with a bias behind it."""

    def __init__(self) -> None:
        super().__init__(TinyTrunk(), dim=4)
        self.after = nn.Linear(4, 4)


def test_every_parameter_is_in_one_group_with_its_rate_and_decay() -> None:
    model, objective = WithBias(), Objective({"deviance": BinomialDeviance(), "proxies": ProxyNCALoss(3, 4)})
    optimiser = build_optimiser(model, objective, CONFIG)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    assert sum(len(g["params"]) for g in optimiser.param_groups) == len(found)
    named = {**dict(model.named_parameters()), **dict(objective.named_parameters())}
    assert {name: found[id(p)] for name, p in named.items()} == {
        "backbone.stages.low.0.weight": (1e-3, 0.5),
        "backbone.stages.low.0.bias": (1e-3, 0.0),
        "backbone.stages.high.0.weight": (1e-3, 0.5),
        "backbone.stages.high.0.bias": (1e-3, 0.0),
        "learner.weight": (1e-2, 0.5),
        "after.weight": (1e-2, 0.5),
        "after.bias": (1e-2, 0.0),
        "terms.proxies.proxies": (1e-2, 0.5),
    }
    assert len(found) == len(named)
    assert all(g["betas"] == (0.9, 0.999) for g in optimiser.param_groups)


def test_frozen_parameters_are_left_out() -> None:
    model = WithBias()
    model.backbone.requires_grad_(False)
    optimiser = build_optimiser(model, Objective({"deviance": BinomialDeviance()}), CONFIG)
    held = {id(p) for g in optimiser.param_groups for p in g["params"]}
    assert held == {id(p) for p in (*model.learner.parameters(), *model.after.parameters())}


@pytest.mark.parametrize("classes", [0, 5])
def test_learnt_boundary_of_the_margin_loss_is_new_and_does_not_decay(classes: int) -> None:
    objective = Objective({"margin": MarginLoss(learn_beta=True, classes=classes)})
    optimiser = build_optimiser(WithBias(), objective, CONFIG)
    beta = objective.terms["margin"].beta
    (group,) = [g for g in optimiser.param_groups if any(p is beta for p in g["params"])]
    assert (group["lr"], group["weight_decay"]) == (1e-2, 0.0)
    assert not list(Objective({"margin": MarginLoss(classes=classes)}).parameters())


def test_rival_of_the_learners_trains_as_the_heads_do() -> None:
    objective = Objective({"adversary": Adversary(dim=4, branches=2)})
    optimiser = build_optimiser(WithBias(), objective, CONFIG)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    rival = {name: found[id(p)] for name, p in objective.terms["adversary"].rivals[0].layers.named_parameters()}
    decayed, plain = (1e-2, 0.5), (1e-2, 0.0)
    assert rival == {
        **{"0.weight": decayed, "3.weight": decayed, "3.bias": plain},
        **{f"{layer}.{name}": plain for layer in (1, 4) for name in ("weight", "bias")},
    }


def test_decay_is_coupled_to_adam() -> None:
    """Without another gradient a decayed weight moves by the rate itself, whatever its size."""
    model = WithBias()
    optimiser = build_optimiser(model, Objective({"deviance": BinomialDeviance()}), CONFIG)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    moved = {name: before[name] - p.detach() for name, p in model.named_parameters()}
    torch.testing.assert_close(moved["learner.weight"], 1e-2 * before["learner.weight"].sign(), rtol=1e-4, atol=1e-6)
    low = "backbone.stages.low.0.weight"
    torch.testing.assert_close(moved[low], 1e-3 * before[low].sign(), rtol=1e-2, atol=1e-6)
    assert moved["after.bias"].abs().max() == 0


@pytest.mark.parametrize(
    ("factor", "every", "expected"),
    [(0.5, 2, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]), (0.1, 5, [1, 1, 1, 1, 1, 0.1, 0.1]), (0.5, 0, [1.0] * 7)],
)
def test_schedule(factor: float, every: int, expected: list[float]) -> None:
    """The multiple of the base rate in steps 1 to 7, in every group."""
    config = OptimiserConfig(lr=1e-3, head_multiplier=10.0, decay_factor=factor, decay_every=every)
    model = WithBias()
    optimiser = build_optimiser(model, Objective({"deviance": BinomialDeviance()}), config)
    schedule = build_schedule(optimiser, config)
    base = [g["lr"] for g in optimiser.param_groups]
    for multiple in expected:
        assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([multiple * b for b in base])
        optimiser.step()
        schedule.step()
