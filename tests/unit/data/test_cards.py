"""What the data card shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from reproducible.data.cards import (
    contact_sheet,
    counts_table,
    examples,
    imagenet_labels,
    near_duplicates,
    nearest_same_class,
)
from reproducible.data.manifest import load_manifest
from reproducible.data.store import Store, prepare
from reproducible.resources import UserError


def test_counts_table(groceries: Store) -> None:
    table = counts_table(groceries)
    assert table.loc["all"].to_dict() == {
        "classes": 81, "coarse classes": 43, "train": 2640, "val": 296, "test": 2485, "iconic": 81, "images": 5502,
    }  # fmt: skip
    assert (table.drop("all").sum() == table.loc["all"]).all()
    assert table["classes"].to_dict() == {"fruit": 28, "carton": 31, "vegetable": 22, "all": 81}


def test_examples_are_drawn_by_a_seeded_rule(groceries: Store) -> None:
    chosen = examples(groceries, [5, 3, 80], "train", 4, seed=1)
    assert groceries.labels[chosen].tolist() == [5] * 4 + [3] * 4 + [80] * 4
    assert (groceries.parts[chosen] == "train").all() and len(set(chosen)) == 12
    np.testing.assert_array_equal(chosen[4:8], examples(groceries, [3], "train", 4, seed=1))
    assert (chosen != examples(groceries, [5, 3, 80], "train", 4, seed=2)).any()
    assert groceries.labels[examples(groceries, range(81), "iconic", 3, seed=0)].tolist() == list(range(81))


def test_contact_sheet(fake) -> None:
    store = prepare(fake().write())
    sheet = contact_sheet(store, [4, 0, 2, 7, 1], columns=3, gap=2)
    assert sheet.shape == (34, 52, 3) and sheet.dtype == np.uint8
    np.testing.assert_array_equal(sheet[:16, :16], store.images[4])
    np.testing.assert_array_equal(sheet[:16, 36:52], store.images[2])
    np.testing.assert_array_equal(sheet[18:34, 18:34], store.images[1])
    assert (sheet[16:18] == 255).all() and (sheet[18:, 36:] == 255).all()
    assert contact_sheet(store, [3], columns=12).shape == (16, 16, 3)
    for nothing in ({"indices": []}, {"indices": [1], "columns": 0}):
        with pytest.raises(UserError, match="nothing to show"):
            contact_sheet(store, **nothing)


def test_imagenet_labels(groceries: Store) -> None:
    manifest = load_manifest("groceries")
    labels = imagenet_labels(manifest, groceries)
    assert len(labels) == 14 and list(labels) == sorted(labels)
    assert labels[1] == "Granny Smith" and labels[71] == "bell pepper"
    assert {groceries.class_names[i] for i in labels} & {"Lime", "Satsumas", "Red-Grapefruit", "Aubergine"} == set()
    wrong = dataclasses.replace(manifest, imagenet_overlap={"banana": ("Bananas",)})
    with pytest.raises(UserError, match=r"banana: there is no class 'Bananas'\. Did you mean 'Banana'"):
        imagenet_labels(wrong, groceries)


def test_nearest_same_class_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(30, 5)), rng.normal(size=(40, 5))
    ql, gl = rng.integers(0, 6, 30), rng.integers(0, 5, 40)  # class 5 has no gallery image
    own = np.where(rng.random(30) < 0.5, rng.integers(0, 40, 30), -1)
    expected = []
    for i in range(30):
        cosines = [
            queries[i] @ gallery[j] / np.linalg.norm(queries[i]) / np.linalg.norm(gallery[j])
            for j in range(40)
            if gl[j] == ql[i] and j != own[i]
        ]
        expected.append(max(cosines, default=-np.inf))
    found = nearest_same_class(torch.tensor(queries), torch.tensor(gallery), ql, gl, own)
    assert (ql == 5).any() and np.isneginf(found[ql == 5]).all()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    mask = near_duplicates(torch.tensor(queries), torch.tensor(gallery), ql, gl, 0.6, own)
    np.testing.assert_array_equal(mask, np.array(expected) > 0.6)
    assert mask.any() and not mask.all()


def test_an_image_is_not_its_own_near_duplicate() -> None:
    embeddings, labels = torch.eye(4), np.array([0, 0, 1, 1])
    assert near_duplicates(embeddings, embeddings, labels, labels, 0.9).all()
    assert not near_duplicates(embeddings, embeddings, labels, labels, 0.9, own=np.arange(4)).any()
