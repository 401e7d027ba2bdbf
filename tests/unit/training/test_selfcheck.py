"""The comparison of two devices, on one: with itself, with another precision, and with a component that differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.losses import unit_rows
from reproducible.training import selfcheck
from reproducible.training.selfcheck import Side, compare

CPU = Side(torch.device("cpu"))
ROUNDED = replace(CPU, precision="bf16")
SMALL = [("backbone", "compact_googlenet"), *(("model", n) for n in registry.REGISTRY["model"])]
LOSSES = [("loss", n) for n in registry.REGISTRY["loss"]]


@pytest.mark.parametrize(("kind", "name"), SMALL + LOSSES)
def test_a_device_agrees_with_itself(kind: str, name: str) -> None:
    found = compare(kind, name, CPU, CPU)
    assert (found.component, found.values, found.gradient, found.ok) == (f"{kind}/{name}", 0, 0, True)


@pytest.mark.parametrize(("kind", "name"), SMALL)
def test_half_precision_is_close_and_not_within_the_tolerance_of_devices(kind: str, name: str) -> None:
    found = compare(kind, name, CPU, ROUNDED)
    assert 1e-3 < found.values < 0.2 and not found.ok
    assert compare(kind, name, CPU, ROUNDED, tolerance=0.5).ok


def test_differences_are_relative_norms() -> None:
    a, b = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])
    assert selfcheck._difference(a, b) == pytest.approx(0.1)
    assert selfcheck._difference(1000 * a, 1000 * b) == pytest.approx(0.1)
    assert selfcheck._difference(0 * a, b) == pytest.approx(b.norm().item())


def test_numbers_that_are_not_finite_never_agree() -> None:
    assert not selfcheck.Agreement("loss/x", float("nan"), 0.0, 1.0).ok
    assert not selfcheck.Agreement("loss/x", 0.0, float("inf"), 1.0).ok


def test_a_wrong_gradient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second side computes the same values and another slope."""
    original, calls = unit_rows.unit_rows, []

    def bent(weights: tuple[Tensor, ...]) -> Tensor:
        calls.append(1)
        value = original(weights)
        return value if len(calls) == 1 else value.detach() + 1.01 * (value - value.detach())

    monkeypatch.setattr(unit_rows, "unit_rows", bent)
    found = compare("loss", "unit_rows", CPU, CPU)
    assert found.values < 1e-6 and found.gradient == pytest.approx(0.01, rel=1e-3) and not found.ok


def test_all_components_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    one = (nn.Linear(2, 2), torch.ones(2))
    monkeypatch.setattr(selfcheck, "_computed", lambda kind, name, side: one[1:] * 2)
    found = [agreement.component for agreement in selfcheck.compare_all(CPU, CPU)]
    assert found == [f"{kind}/{name}" for kind in ("backbone", "model", "loss") for name in registry.REGISTRY[kind]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cpu_and_gpu_agree() -> None:
    found = list(selfcheck.compare_all(CPU, Side(torch.device("cuda"))))
    assert not [agreement for agreement in found if not agreement.ok]
