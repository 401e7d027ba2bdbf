"""Golden curves: a component that computes something else needs another behaviour version."""

from __future__ import annotations

import json
from dataclasses import replace

import golden_curves
import pytest
from golden_curves import complaint, compute

from reproducible import registry
from reproducible.backbones import lrn
from reproducible.data.transforms import random_boxes
from reproducible.losses import binomial_deviance
from reproducible.training import loop

GOLDEN = json.loads(golden_curves.FILE.read_text())
NAMES = golden_curves.names()  # before the small trunk of these tests is registered


def test_every_component_has_a_curve_and_every_curve_a_component() -> None:
    assert sorted(GOLDEN) == sorted(NAMES)


@pytest.mark.parametrize("component", NAMES)
def test_component_computes_what_its_version_says(component: str) -> None:
    found = complaint(component, compute(component), GOLDEN[component])
    assert not found, found


@pytest.mark.parametrize("component", NAMES)
def test_curves_move(component: str) -> None:
    """A curve that stands still would not see much."""
    curve = GOLDEN[component]["curve"][: golden_curves.STEPS]
    assert len(set(curve)) == golden_curves.STEPS
    assert abs(curve[0] - curve[-1]) > 1e-2 * abs(curve[0])


def test_loss_that_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    name, original = "loss/binomial_deviance", binomial_deviance.binomial_deviance
    monkeypatch.setattr(binomial_deviance, "binomial_deviance", lambda *a: original(*a[:4], 1.001 * a[4]))
    assert "raise its version in reproducible/registry.py" in complaint(name, compute(name), GOLDEN[name])


def test_normalisation_that_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    name, original = "backbone/bvlc_googlenet", lrn.local_response_norm
    monkeypatch.setattr(lrn, "local_response_norm", lambda x, size, alpha, k: original(x, size, 1.1 * alpha, k))
    assert "raise its version" in complaint(name, compute(name), GOLDEN[name])


def test_crops_that_changed_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "random_flips", lambda n, chance: random_boxes(n, 2, 0.5, chance)[:, 0] > 1)
    assert "raise its version" in complaint("training", compute("training"), GOLDEN["training"])


def test_raised_version_asks_for_a_new_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "loss/unit_rows"
    raised = replace(registry.entry("loss", "unit_rows"), version=2)
    monkeypatch.setitem(registry.REGISTRY["loss"], "unit_rows", raised)
    now = compute(name)
    assert "has version 2: write its curve with python golden_curves.py" in complaint(name, now, GOLDEN[name])
    assert complaint(name, now, now) == ""
