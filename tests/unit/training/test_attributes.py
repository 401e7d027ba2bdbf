"""Batches carry the attributes of their images, and the pairs that their sampler fixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tiny_runs import make_store, tiny_config, training

from reproducible.config import Component
from reproducible.training.loop import Training

Make = Callable[..., Training]


def test_attributes_are_those_of_the_images_of_a_batch(tmp_path: Path) -> None:
    """Each image's attributes spell its number, in shares about a threshold."""
    store = make_store()
    numbers = np.arange(len(store.labels))
    bits = numbers[:, None] >> np.arange(10) & 1
    store = replace(store, attributes=np.where(bits, 0.75, 0.7).astype(np.float32), attribute_names=tuple("abcdefghij"))
    for threshold, spelt in ((0.72, True), (0.5, False)):
        run = training(tmp_path / "run", store, data=replace(tiny_config().data, attribute_threshold=threshold))
        for step in range(1, 4):
            batch = run.batch(step)
            assert batch.attributes.shape == (8, 10) and batch.attributes.dtype == torch.float32
            found = (batch.attributes.numpy().astype(int) << np.arange(10)).sum(axis=1)
            if spelt:
                np.testing.assert_array_equal(store.labels[found], batch.labels.numpy())
                assert len(set(found)) == 8 and set(found) <= set(run.sets.train)
            else:
                assert (found == 1023).all()


def test_a_data_set_without_attributes_leaves_them_out(make: Make) -> None:
    assert make().batch(1).attributes is None


def test_pairs_of_the_sampler_reach_the_batch(make: Make) -> None:
    data = replace(tiny_config().data, classes_per_batch=10, images_per_class=3, sampler=Component("image_wise"))
    batch = make(data=data).batch(1)
    first, positives, second, negatives = batch.pairs
    assert len(batch.labels) == 30 and all(len(part) == 10 for part in batch.pairs)
    assert torch.equal(batch.labels[first], batch.labels[positives])
    assert (batch.labels[second] != batch.labels[negatives]).all()
