"""Roles of the photographs in a run: no class has two of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_runs import tiny_config

from reproducible.config import DataConfig
from reproducible.data.splits import split
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize, object_squares
from reproducible.resources import UserError
from reproducible.training.sets import build_sets, images_of

WHOLE = DataConfig(input_size=32, draw=3)


@pytest.mark.parametrize("data", [WHOLE, DataConfig(input_size=32, split="canonical")])
def test_roles_are_those_of_the_split(store: Store, data: DataConfig) -> None:
    sets = build_sets(tiny_config(data=data), store)
    drawn = split(store, data.split, data.draw)
    of = {role: set(store.labels[np.concatenate(parts)].tolist()) for role, parts in sets.evaluation.items()}
    assert set(sets.classes) == set(drawn.train) == of["seen"] == set(store.labels[sets.train].tolist())
    assert of["validation"] == set(drawn.validation)
    assert of["test"] == set(drawn.test)
    assert not (of["seen"] & of["validation"] or of["seen"] & of["test"] or of["validation"] & of["test"])


def test_queries_are_test_photographs_and_the_gallery_is_the_others(store: Store) -> None:
    sets = build_sets(tiny_config(data=WHOLE), store)
    for queries, gallery in sets.evaluation.values():
        assert set(store.parts[queries]) == {"test"}
        assert set(store.parts[gallery]) == {"train", "val"}
    expected = np.isin(store.labels, sets.classes) & (store.parts != "iconic")
    assert sets.train.tolist() == np.flatnonzero(expected).tolist()
    for role in ("validation", "test"):
        classes = np.unique(store.labels[sets.evaluation[role][0]])
        expected = np.isin(store.labels, classes) & (store.parts == "test")
        assert sets.evaluation[role][0].tolist() == np.flatnonzero(expected).tolist()


def test_seen_curve_uses_a_few_photographs_of_each_class_and_part(store: Store) -> None:
    config = tiny_config(data=WHOLE)
    config = replace(config, evaluation=replace(config.evaluation, seen_images=2))
    sets = build_sets(config, store)
    queries, gallery = sets.evaluation["seen"]
    assert len(queries) == 2 * len(sets.classes)
    assert len(gallery) == 3 * len(sets.classes)  # two of train, the one of val
    assert len(sets.train) == 8 * len(sets.classes)


def test_limits_of_profile_smoke(store: Store) -> None:
    data = replace(WHOLE, limit_classes=4, limit_images=1)
    sets = build_sets(tiny_config(data=data), store)
    whole = build_sets(tiny_config(data=WHOLE), store)
    assert sets.classes == whole.classes[:4]
    assert len(sets.train) == 3 * 4  # one of each part
    for role, (queries, gallery) in sets.evaluation.items():
        assert (len(queries), len(gallery)) == (4, 8), role


def test_validation_is_the_same_in_every_draw(store: Store) -> None:
    sets = [build_sets(tiny_config(data=replace(WHOLE, draw=d)), store) for d in (0, 1, 100)]
    assert len({s.evaluation["validation"][0].tobytes() for s in sets}) == 1
    assert len({s.classes for s in sets}) == 3


def test_images_are_cut_to_their_objects_where_windows_lie_inside_them(store: Store) -> None:
    side = store.images.shape[1]
    boxes = np.full((len(store.images), 4, 4), np.nan, np.float32)
    boxes[:, 0] = [2, 3, side / 2, side / 2 - 1]
    known, data = replace(store, boxes=boxes), replace(WHOLE, inside="object", crop=0.5)
    images = images_of(known, data, torch.device("cpu"))
    assert images.shape == store.images.shape
    assert images.dtype == torch.uint8
    square = object_squares(torch.from_numpy(boxes[:1, 0]), side, 0.5)
    wanted = crop_resize(torch.from_numpy(store.images[-1:]), square, side)[0].permute(1, 2, 0)
    assert (images[-1].float() - wanted).abs().max() <= 0.5001
    assert np.array_equal(images_of(known, WHOLE, torch.device("cpu")).numpy(), store.images)
    with pytest.raises(UserError, match=r"'groceries' knows no boxes of objects; set data\.inside to 'image'"):
        images_of(store, data, torch.device("cpu"))
    boxes[5] = np.nan
    with pytest.raises(UserError, match=r"no box of 1 of its \d+ images, the first of them 0/5; set data\.inside"):
        images_of(replace(store, boxes=boxes), data, torch.device("cpu"))
