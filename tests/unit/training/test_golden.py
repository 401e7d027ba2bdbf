"""Golden curves: a component that computes something else needs another behaviour version."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import golden_curves
import golden_models
import pytest
from golden_curves import DESCENDED, STEPS, complaint, compute
from patching import everywhere
from torch import nn

from reproducible import registry
from reproducible.backbones import lrn
from reproducible.data.augmentation import Recipe
from reproducible.data.maps import MapFile
from reproducible.data.sampler import PKSampler
from reproducible.data.transforms import random_boxes
from reproducible.evaluation.features import discarded_gate_share, overlap
from reproducible.losses import activation_decay, adversary, binomial_deviance, mining, push_apart
from reproducible.losses.margin import MarginLoss
from reproducible.training import loop

GOLDEN = json.loads(golden_curves.FILE.read_text())
NAMES = golden_curves.names()  # before the small trunk of these tests is registered


def test_every_component_has_a_curve_and_every_curve_a_component() -> None:
    assert sorted(GOLDEN) == sorted([*NAMES, *golden_curves.recorded()]), "python tests/unit/golden_curves.py"


def test_every_recorded_model_has_numbers_and_all_numbers_a_model() -> None:
    there = [golden_models.about(case) for case in json.loads(golden_models.FILE.read_text())]
    assert sorted(there) == list(golden_models.recorded()), "python tests/unit/golden_models.py"


@pytest.mark.parametrize("component", list(GOLDEN))
def test_component_computes_what_its_version_says(component: str) -> None:
    found = complaint(component, compute(component), GOLDEN[component])
    assert not found, found


@pytest.mark.parametrize("component", list(GOLDEN))
def test_curves_move(component: str) -> None:
    """A curve that stands still would not see much."""
    curve = GOLDEN[component]["curve"]
    if component.partition("/")[0] in (*DESCENDED, *golden_curves.RUNS):
        curve = curve[:STEPS]
        assert len(set(curve)) == STEPS
        least = 1e-2 if " " not in component else 1e-3  # a long ramp of the adversary has hardly begun
        assert abs(curve[0] - curve[-1]) > least * abs(curve[0])
    assert len(set(curve)) > 1


Changed = Callable[[pytest.MonkeyPatch], None]


def method(owner: type, name: str, changed: Callable[..., Any]) -> Changed:
    """A method that is given its original first."""
    original = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda self, *given: changed(original, self, *given))


def function(original: Callable[..., Any], changed: Callable[..., Any]) -> Changed:
    """A function that is given its original first."""
    return lambda patch: everywhere(patch, original, partial(changed, original))


CHANGES: dict[str, Changed] = {
    "backbone/bvlc_googlenet": function(
        lrn.local_response_norm, lambda old, x, size, alpha, k: old(x, size, 1.1 * alpha, k)
    ),
    'backbone/compact_googlenet {"batch_statistics": true}': method(
        nn.BatchNorm2d, "forward", lambda old, self, x: old(self, x) * (1.001 if self.training else 1)
    ),
    "loss/binomial_deviance": function(
        binomial_deviance.binomial_deviance, lambda old, *given: old(*given[:4], 1.001 * given[4])
    ),
    'loss/binomial_deviance {"gamma": 25.0, "mined": true}': function(
        mining.sampling_probabilities, lambda old, x, labels, *limits: old(x, labels, 0.6, 1.4)
    ),
    'loss/margin {"learn_beta": true}': method(
        MarginLoss, "boundary", lambda old, self, labels: old(self, labels).detach()
    ),
    'loss/push_apart {"branches": 8, "margin": 1.0, "squares": true, "weight": 0.25}': function(
        push_apart.push_apart, lambda old, x, m, squares: old(x, 1.001 * m if squares else m, squares)
    ),
    'loss/adversary {"branches": 8, "dim": 16, "rise": 200, "scales": 1, "weight": 1.0}': function(
        adversary.ramp, lambda old, progress: old(1.01 * progress)
    ),
    'loss/activation_decay {"released": true, "weight": 0.014}': function(
        activation_decay.squared_activation, lambda old, x: old(x) * (1.001 if len(x) == 1 else 1)
    ),
    "sampler/pk": method(PKSampler, "_of_class", lambda old, self, *given: old(self, *given).flip(0)),
    "augmentation/diablo": method(Recipe, "_sizes", lambda old, self, *given: 1.001 * old(self, *given)),
    "measure/gate": function(discarded_gate_share, lambda old, gate: 1.001 * old(gate)),
    "measure/branches": function(overlap, lambda old, scale: old(scale).round()),
    "maps": method(MapFile, "read", lambda old, self, *given: old(self, *given)[:, ::-1].copy()),
}


@pytest.mark.parametrize("component", CHANGES)
def test_what_was_changed_on_purpose_is_noticed(monkeypatch: pytest.MonkeyPatch, component: str) -> None:
    """By the component as it is by itself, or by the form of it that the records have."""
    CHANGES[component](monkeypatch)
    found = complaint(component, compute(component), GOLDEN[component])
    assert "raise its version in reproducible/registry.py" in found


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
