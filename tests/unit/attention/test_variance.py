"""Variance estimation (VEM Eq. 3, 5) against loops, numpy and algebra; squeeze and excitation against torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation as TorchvisionSE

from reproducible.attention.squeeze_excitation import SqueezeExcitation
from reproducible.attention.variance import VarianceEstimation, batch_variance, fold


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) + 0.5


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 3, 2)])
def test_variance_is_over_everything_but_the_feature(shape: tuple[int, ...]) -> None:
    values = draw(*shape)
    axes = tuple(axis for axis in range(len(shape)) if axis != 1)
    expected = np.var(values.numpy(), axis=axes, ddof=0)
    assert batch_variance(values).numpy() == pytest.approx(expected, rel=1e-12)


def test_loss_is_eq_3_written_out() -> None:
    values, module = draw(5, 3), VarianceEstimation(3, std=1.0).double()
    total = 0.0
    for i in range(3):
        column = [float(v) for v in values[:, i]]
        mean = sum(column) / 5
        a = sum((v - mean) ** 2 for v in column) / 5
        total += (a - float(module.predicted[i].detach())) ** 2
    assert module.loss(values).item() == pytest.approx(total / 3, rel=1e-12)


def test_gradients_go_where_the_switches_say() -> None:
    for detach_variance in (False, True):
        for detach_gate in (False, True):
            values = draw(5, 3).requires_grad_()
            module = VarianceEstimation(3, 0.5, detach_variance=detach_variance, detach_gate=detach_gate).double()
            module.loss(values).backward()
            assert (values.grad is None) == detach_variance
            actual = batch_variance(values.detach())
            torch.testing.assert_close(module.predicted.grad, 2 / 3 * (module.predicted.detach() - actual))
            module.predicted.grad = None
            gate = module(values)
            torch.testing.assert_close(gate.detach(), 1 / (1 + torch.exp(-module.predicted.detach())))
            assert gate.requires_grad != detach_gate


def test_prediction_goes_to_the_mean_variance_of_the_batches() -> None:
    """With nothing else to move it; the gate is then the logistic function of that variance."""
    module = VarianceEstimation(3).double()
    batches = [draw(8, 3, seed=seed) * torch.tensor([0.3, 1.0, 2.0]) for seed in range(20)]
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    for _ in range(60):
        optimiser.zero_grad()
        torch.stack([module.loss(batch) for batch in batches]).mean().backward()
        optimiser.step()
    mean = torch.stack([batch.var(dim=0, correction=0) for batch in batches]).mean(dim=0)
    torch.testing.assert_close(module.predicted.detach(), mean, rtol=1e-6, atol=1e-9)


def test_initial_values() -> None:
    torch.manual_seed(0)
    assert VarianceEstimation(10_000).predicted.std().item() == pytest.approx(0.01, rel=0.05)
    assert VarianceEstimation(3, std=0.0)(draw(1, 3)).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_gate_folds_into_the_linear_layer(bias: bool, behind: bool) -> None:
    linear = nn.Linear(1024, 128, bias=bias).double()
    gate = torch.sigmoid(3 * draw(128 if behind else 1024, seed=1))
    kept, features = [p.detach().clone() for p in linear.parameters()], draw(16, 1024, seed=2)
    with torch.no_grad():
        expected = gate * linear(features) if behind else linear(gate * features)
        found = fold(linear, gate, behind)(features)
    assert ((found - expected).norm(dim=1) / expected.norm(dim=1)).max() < 1e-13
    torch.testing.assert_close(kept, [p.detach() for p in linear.parameters()], rtol=0, atol=0)


def test_squeeze_and_excitation_is_torchvisions_without_biases() -> None:
    ours, theirs = SqueezeExcitation(12, 4).double(), TorchvisionSE(12, 4, scale_activation=nn.Sigmoid).double()
    with torch.no_grad():
        for one, other in ((ours.squeeze, theirs.fc1), (ours.excite, theirs.fc2)):
            other.weight.copy_(one.weight[:, :, None, None])
            other.bias.zero_()
    maps = draw(3, 12, 5, 4)
    torch.testing.assert_close(ours(maps)[:, :, None, None] * maps, theirs(maps))
    torch.testing.assert_close(ours(maps.mean(dim=(2, 3))), ours(maps))
