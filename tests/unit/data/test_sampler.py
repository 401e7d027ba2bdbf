"""P x K batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reproducible.config import Component, DataConfig
from reproducible.data.sampler import PKSampler, build_sampler
from reproducible.resources import UserError

LABELS = np.repeat(np.arange(10), 6)[np.random.default_rng(0).permutation(60)]


def batches(sampler: PKSampler, seed: int, count: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return np.stack([sampler.draw(generator)[0] for _ in range(count)])


def test_classes_and_images_are_distinct_and_side_by_side() -> None:
    drawn = batches(PKSampler(LABELS, [1, 3, 4, 8, 9], 3, 4), 0, 200)
    assert drawn.shape == (200, 12) and drawn.dtype == np.int64
    for batch in drawn:
        labels = LABELS[batch].reshape(3, 4)
        assert (labels == labels[:, :1]).all()
        assert len(set(labels[:, 0])) == 3 and set(labels[:, 0]) <= {1, 3, 4, 8, 9}
        assert len(set(batch)) == 12


def test_uniform_over_classes_images_and_places() -> None:
    drawn = batches(PKSampler(LABELS, list(range(10)), 2, 2), 0, 3000)
    images = np.bincount(drawn.ravel(), minlength=60)
    assert images.min() > 120 and images.max() < 290  # 200 expected, standard deviation 14
    first = np.bincount(LABELS[drawn[:, 0]], minlength=10)
    assert first.min() > 220 and first.max() < 380  # 300 expected, standard deviation 16


def test_chance_comes_from_the_generator_alone() -> None:
    sampler = PKSampler(LABELS, list(range(10)), 4, 3)
    torch.manual_seed(0)
    first = batches(sampler, 5, 4)
    torch.manual_seed(1)
    np.testing.assert_array_equal(first, batches(PKSampler(LABELS, list(range(10)), 4, 3), 5, 4))
    assert (first != batches(sampler, 6, 4)).any() and (first[0] != first[1]).any()


def test_state_of_the_generator_resumes_the_sequence() -> None:
    sampler, generator = PKSampler(LABELS, list(range(10)), 4, 3), torch.Generator().manual_seed(0)
    sampler.draw(generator)
    state = generator.get_state()
    expected, _ = sampler.draw(generator)
    resumed = torch.Generator()
    resumed.set_state(state)
    np.testing.assert_array_equal(sampler.draw(resumed)[0], expected)


def test_small_class_repeats_as_evenly_as_possible() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    for batch in batches(PKSampler(labels, [0, 1], 2, 8), 0, 50):
        small = np.bincount(batch[labels[batch] == 0], minlength=3)
        assert sorted(small) == [2, 3, 3]
        assert len(set(batch[labels[batch] == 1])) == 8


def test_images_with_another_label_are_never_drawn() -> None:
    labels = LABELS.copy()
    labels[::2] = -1
    drawn = batches(PKSampler(labels, [0, 1, 2, 3], 2, 2), 0, 100)
    assert (drawn % 2 == 1).all()


def test_all_pairs_of_a_batch_count() -> None:
    assert PKSampler(LABELS, [1, 3], 2, 2).draw(torch.Generator().manual_seed(0))[1] is None


def test_the_configuration_names_the_sampler_and_has_p_and_k() -> None:
    data = DataConfig(classes_per_batch=3, images_per_class=5)
    indices, _ = build_sampler(data, LABELS, range(10)).draw(torch.Generator().manual_seed(2))
    expected, _ = PKSampler(LABELS, range(10), 3, 5).draw(torch.Generator().manual_seed(2))
    np.testing.assert_array_equal(indices, expected)
    for sampler, words in (
        (Component("kp"), r"There is no sampler named 'kp'\. Did you mean 'pk'\?"),
        (Component("pk", {"p": 4}), "sampler 'pk' has no option 'p'"),
    ):
        with pytest.raises(UserError, match=words):
            build_sampler(DataConfig(sampler=sampler), LABELS, range(10))


@pytest.mark.parametrize(
    ("classes", "p", "k", "message"),
    [
        ([0, 1, 2], 4, 2, "p = 4 classes a batch, but there are 3 to draw from"),
        ([0, 1, 2], 0, 2, "p = 0 classes a batch"),
        ([0, 1, 2], 2, 1, "k = 1, but a positive pair needs k of at least 2"),
        ([0, 1, 1], 2, 2, r"classes are named twice: \[0, 1, 1\]"),
        ([0, 10], 2, 2, r"class 10 has 0 image\(s\)"),
        ([0, 11], 2, 2, r"class 11 has 1 image\(s\)"),
        ([], 1, 2, "p = 1 classes a batch, but there are 0"),
    ],
)
def test_bad_input(classes: list[int], p: int, k: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PKSampler(np.append(LABELS, 11), classes, p, k)
