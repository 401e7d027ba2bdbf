"""P x K batches, and anchors with a positive and a negative each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reproducible.config import Component, DataConfig
from reproducible.data.sampler import ImageWise, PKSampler, build_sampler
from reproducible.losses.pairs import pair_similarities
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


FIFTY = np.repeat(np.arange(50), 8)


def test_batch_wise_as_in_the_document() -> None:
    """41 classes x 4: 164 images, 246 positive and 13,120 negative pairs, also where a class has but two images."""
    for labels in (FIFTY, FIFTY[2:], np.append(FIFTY[8:], [0, 0])):
        for seed in range(20):
            images, pairs = PKSampler(labels, range(50), 41, 4).draw(torch.Generator().manual_seed(seed))
            assert pairs is None and len(images) == 164
            classes = torch.from_numpy(labels[images])
            positive, negative = pair_similarities(torch.randn(164, 3), classes)
            assert (len(positive), len(negative)) == (246, 13_120)


def test_as_many_pairs_as_asked_for_are_drawn_from_the_same_batch() -> None:
    few, every = (PKSampler(FIFTY, range(50), 41, 4, pairs) for pairs in (60, 246))
    images, pairs = few.draw(torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(images, PKSampler(FIFTY, range(50), 41, 4).draw(torch.Generator().manual_seed(3))[0])
    labels, (first, positives, second, negatives) = FIFTY[images], pairs
    assert (labels[first] == labels[positives]).all() and (labels[second] != labels[negatives]).all()
    assert (first < positives).all() and (second < negatives).all()
    assert len(set(zip(first.tolist(), positives.tolist(), strict=True))) == 60
    assert len(set(zip(second.tolist(), negatives.tolist(), strict=True))) == 60
    found = every.draw(torch.Generator().manual_seed(3))[1]
    assert len({(int(a), int(b)) for a, b in zip(*found[:2], strict=True)}) == 246 == len(found[2])
    with pytest.raises(UserError, match="pairs = 247 of either kind, but 41 x 4 images have 246 positive and 13120"):
        PKSampler(FIFTY, range(50), 41, 4, 247)


def test_image_wise_as_in_the_document() -> None:
    """60 anchors: 180 images, 60 positive and 60 negative pairs, each anchor with its own positive and negative."""
    labels = np.append(FIFTY, [50, 50])[np.random.default_rng(0).permutation(402)]
    sampler = ImageWise(labels, range(51), 60, 3)
    for seed in range(50):
        images, pairs = sampler.draw(torch.Generator().manual_seed(seed))
        assert images.shape == (180,) and images.dtype == np.int64
        anchors, positives, negatives = images.reshape(3, 60)
        assert len(set(anchors)) == 60
        assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
        assert (labels[anchors] != labels[negatives]).all()
        assert [part.tolist() for part in pairs] == [[*range(s, s + 60)] for s in (0, 60, 0, 120)]
        found = pair_similarities(torch.randn(180, 3), torch.from_numpy(labels[images]), pairs)
        assert [len(part) for part in found] == [60, 60]


def test_image_wise_is_uniform_over_anchors_positives_and_negatives() -> None:
    labels = np.repeat([4, 7, 9], [2, 5, 13])
    drawn = np.stack([batch.reshape(3, 6) for batch in batches(ImageWise(labels, [7, 4, 9], 6, 3), 0, 4000)])
    anchors, positives, negatives = drawn.transpose(1, 0, 2).reshape(3, -1)
    counts = np.bincount(anchors, minlength=20)
    assert counts.min() > 1060 and counts.max() < 1340  # 1200 expected
    of_seven = np.bincount(positives[anchors == 3], minlength=20)  # the second of class 7, images 2 to 6
    assert of_seven[[2, 4, 5, 6]].min() > 240 and of_seven.sum() == of_seven[[2, 4, 5, 6]].sum()  # 300 expected
    against = np.bincount(negatives[anchors == 3], minlength=20)
    assert against[2:7].sum() == 0
    assert against[[0, 1, *range(7, 20)]].min() > 45 and against.max() < 125  # 80 expected


def test_image_wise_draws_from_the_generator_alone() -> None:
    sampler = ImageWise(FIFTY, range(50), 60, 3)
    torch.manual_seed(0)
    first = batches(sampler, 5, 3)
    torch.manual_seed(1)
    np.testing.assert_array_equal(first, batches(sampler, 5, 3))
    assert (first != batches(sampler, 6, 3)).any() and (first[0] != first[1]).any()


@pytest.mark.parametrize(
    ("classes", "p", "k", "message"),
    [
        ([0, 1, 2], 19, 3, "19 x 3 images are 19 anchors with two others each, but there are 18 images"),
        ([0, 1, 2], 1, 2, "1 x 2 images are 0 anchors"),
        ([0, 1, 1], 2, 3, r"Image-wise sampling: classes are named twice: \[0, 1, 1\]"),
        ([0, 11], 2, 3, r"Image-wise sampling: class 11 has 1 image\(s\); a positive pair needs 2"),
        ([0], 2, 3, "a negative pair needs 2 classes, there are 1"),
    ],
)
def test_bad_input_of_image_wise(classes: list[int], p: int, k: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageWise(np.append(LABELS, 11), classes, p, k)


def test_the_configuration_names_image_wise_sampling() -> None:
    data = DataConfig(classes_per_batch=60, images_per_class=3, sampler=Component("image_wise"))
    images, pairs = build_sampler(data, FIFTY, range(50)).draw(torch.Generator().manual_seed(0))
    assert len(images) == 180 and [len(part) for part in pairs] == [60] * 4
    data = replace(data, classes_per_batch=41, images_per_class=4)  # as many images as batch-wise, at most
    images, pairs = build_sampler(data, FIFTY, range(50)).draw(torch.Generator().manual_seed(0))
    assert len(images) == 162 and [len(part) for part in pairs] == [54] * 4
