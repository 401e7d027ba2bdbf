"""The shipped weights of the compact backbone are what ``reproducible pretrain`` makes.

Rounding differs between machines, and a thousand steps make much of it: the first losses must agree closely, the whole
training only in what it achieves, unless this machine is of the kind that made the file.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from reproducible.backbones.compact import WEIGHTS, CompactGoogLeNet
from reproducible.data.manifest import load_manifest, read_index
from reproducible.data.store import Store, open_store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.resources import asset
from reproducible.training.pretraining import DATA, FACTS, FIRST, Pretraining, Recipe, hold_out, pretrain

ACCURACY = 2.0  # points of held-out accuracy
LIKENESS = 0.8  # linear CKA of the pooled features


@pytest.fixture(scope="module")
def store() -> Store:
    return open_store(DATA)


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return json.loads(asset(FACTS).read_text())


def pooled(weights: dict[str, Tensor], store: Store) -> Tensor:
    """Pooled features, centred, of the held-out images seen through the central window: (N, 256)."""
    trunk = CompactGoogLeNet(pretrained=False).eval()
    trunk.load(weights, "the weights")
    _, held = hold_out(store.labels)
    images = torch.from_numpy(store.images[held])
    boxes = center_boxes(len(held), images.shape[1], 0.875)
    with torch.no_grad():
        features = torch.cat(
            [
                trunk(crop_resize(part, box, 48))["5b"].mean(dim=(2, 3))
                for part, box in zip(images.split(100), boxes.split(100), strict=True)
            ]
        )
    return features - features.mean(dim=0)


def likeness(x: Tensor, y: Tensor) -> float:
    """Linear CKA (Kornblith et al. 2019): 1 for features that differ by rotation and scale."""
    return ((x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())).item()


def test_facts_are_about_the_recipe_that_stands_and_these_data(facts: dict[str, Any]) -> None:
    assert Recipe(**facts["recipe"]) == Recipe()
    assert facts["data"]["name"] == DATA
    planned = read_index(load_manifest(DATA))
    assert facts["data"]["classes"] == len({row.class_id for row in planned})
    assert facts["data"]["images"] + facts["data"]["held_out"] == len(planned)


@pytest.mark.slow  # draws 12,000 images first
def test_first_losses_are_those_that_were_written_down(facts: dict[str, Any], store: Store) -> None:
    run = Pretraining(store, Recipe(**facts["recipe"]))
    losses = [run.step(number) for number in range(1, FIRST + 1)]
    assert losses == pytest.approx(facts["first_losses"], rel=1e-3)


@pytest.mark.slow
def test_the_script_makes_the_shipped_weights(facts: dict[str, Any], store: Store) -> None:
    weights, again = pretrain(store, Recipe(**facts["recipe"]))
    shipped = load_file(asset(WEIGHTS))
    assert again["held_out_accuracy"] == pytest.approx(facts["held_out_accuracy"], abs=ACCURACY)
    assert again["last_loss"] == pytest.approx(facts["last_loss"], rel=0.05)
    ours, theirs = pooled(weights, store), pooled(shipped, store)
    print(f"linear CKA {likeness(ours, theirs):.4f}, largest difference {(ours - theirs).abs().max():.2g}")
    assert likeness(ours, theirs) > LIKENESS
    if again["first_losses"] == facts["first_losses"]:  # the same arithmetic
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)
