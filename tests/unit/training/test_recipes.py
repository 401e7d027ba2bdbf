"""A run sees images as the recipe of its configuration says, in training and in evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import make_store, register, spied, tiny_config, training

from reproducible.registry import REGISTRY
from reproducible.training import sets
from reproducible.training.evaluate import embed

DATA = tiny_config().data


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


@pytest.mark.parametrize("name", REGISTRY["augmentation"])
def test_every_recipe_trains(name: str, tmp_path: Path) -> None:
    found = training(tmp_path, make_store(), steps=4, data=replace(DATA, augmentation=name)).run()
    assert np.isfinite(found["curve"][0]["loss"]) and found["curve"][0]["validation"]["recall_at_1"] > 0


def test_wide_photographs_get_margins_in_training_and_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letterbox: an image twice as wide as high fills the middle half of the height."""
    store = make_store()
    store = replace(store, aspects=np.full(len(store.labels), 2.0))
    run = training(tmp_path, store, data=replace(DATA, augmentation="deml_letterbox"))
    images = run.batch(1).images
    dark = (images.amax(dim=(1, 3)) == 0).float()  # (N, rows)
    assert dark[:, :4].all() and dark[:, -4:].all() and not dark[:, 12:20].any()
    seen = spied(monkeypatch, sets, "crop_resize", lambda images, boxes, *_, **__: boxes)
    embed(run.model, run.images, np.arange(3), run.config, store=store)
    sides = seen[0][:, 2:] - seen[0][:, :2]
    torch.testing.assert_close(sides[:, 1], 2 * sides[:, 0])
    run.evaluate("validation")
    assert (seen[1][:, 1] < 0).all()
