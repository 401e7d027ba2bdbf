"""Measuring where attention looks, on a few glyphs: a plain loop over images, seen and unseen classes, training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from few_glyphs import MINI, write_variants
from tiny_runs import tiny_config
from whole_records import asked

from reproducible.attention.boxes import object_boxes
from reproducible.attention.object import object_map
from reproducible.config import Component, DataConfig, RunConfig
from reproducible.data.manifest import load_manifest
from reproducible.data.splits import split
from reproducible.data.store import Store, prepare
from reproducible.encoding import decode_fractions
from reproducible.evaluation import localised
from reproducible.resources import UserError
from reproducible.studies import localising
from reproducible.training import localise
from reproducible.training.localise import View, chosen, measure


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The classes of the benchmark with two images each, under its name."""
    folder = tmp_path_factory.mktemp("glyphs")
    path = write_variants(folder, few={**MINI, "side": 64})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_CACHE", str(folder / "cache"))
        return replace(prepare(load_manifest(path), progress=False), name="glyphs")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, glyphs: Store) -> None:
    monkeypatch.setattr(localise, "open_store", lambda name: glyphs)


def run(steps: int = 2) -> RunConfig:
    data = DataConfig("glyphs", input_size=48, draw=1, classes_per_batch=4, images_per_class=2, flip=False)
    plain = tiny_config(data=replace(data, limit_classes=6), backbone=Component("compact_googlenet"))
    return replace(plain, steps=steps, evaluation=replace(plain.evaluation, every=steps, test_every=0, seen_every=0))


def test_values_are_those_of_a_loop_over_images(glyphs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View("few", "glyphs", "compact_googlenet", 64, each=1)
    indices = chosen(view, glyphs)[::10]
    monkeypatch.setattr(localise, "chosen", lambda *_: indices)
    look = measure(view, "c", "cpu")
    assert look["images"] == "first 1 of each class"
    assert localised.labels(look).tolist() == glyphs.labels[indices].tolist()
    trunk = localise.network(run(), torch.device("cpu"), trained=False)
    for place, index in enumerate(indices):
        image = torch.from_numpy(glyphs.images[index]).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            maps = trunk(image, ("4e", "5b"))
        box = object_boxes([object_map(maps[layer]) for layer in ("4e", "5b")], 64)[0][0].tolist()
        area = (box[2] - box[0]) * (box[3] - box[1]) / 64**2
        assert localised.values(look, "object attention", "area")[place] == pytest.approx(area, abs=0.003)
        mask = glyphs.masks[index] > 0
        assert decode_fractions(look["truth"]["object"], 200, "truth")[place] == pytest.approx(mask.mean(), abs=0.003)
    assert localised.values(look, "as printed", "area").tolist() == [1.0] * len(indices)


def test_boxes_without_masks_are_a_truth_of_boxes(glyphs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localise, "chosen", lambda *_: np.arange(0, 800, 100))
    view = View("few", "glyphs", "compact_googlenet", 48)
    whole = measure(view, "c", "cpu")
    boxed, missing = replace(glyphs, masks=None), replace(glyphs, boxes=glyphs.boxes.copy())
    monkeypatch.setattr(localise, "open_store", lambda name: boxed)
    look = measure(view, "c", "cpu")
    assert look["truth"] == {"box": whole["truth"]["box"]}
    on_object = {"in_object", "scaled_in_object"}
    assert look["methods"] == {
        name: {q: packed for q, packed in of.items() if q not in on_object} for name, of in whole["methods"].items()
    }
    missing.boxes[5] = np.nan
    monkeypatch.setattr(localise, "open_store", lambda name: missing)
    look = measure(view, "c", "cpu")
    assert look["truth"] == {}
    assert set(look["methods"]["object attention"]) == {"area"}


def test_seen_and_unseen_classes_of_the_draw(glyphs: Store) -> None:
    view = View("few", "glyphs", "compact_googlenet", 48, "seen", 0, run())
    drawn = split("glyphs", "half", 1)
    assert np.unique(glyphs.labels[chosen(view, glyphs)]).tolist() == sorted(drawn.train)
    unseen = chosen(replace(view, images="unseen", each=1), glyphs)
    assert glyphs.labels[unseen].tolist() == sorted(drawn.test)


def test_a_network_trained_elsewhere_looks_at_all_images(glyphs: Store) -> None:
    view = View("few", "glyphs", "compact_googlenet", 48, trained=run())
    assert sorted(chosen(view, glyphs)) == list(range(len(glyphs.labels)))


def test_a_trained_network_is_looked_at_as_training_left_it() -> None:
    """And is not trained again."""
    device = torch.device("cpu")
    frozen = localise.network(run(), device, trained=False).state_dict()
    first = localise.network(run(), device, trained=True).state_dict()
    again = localise.network(run(), device, trained=True).state_dict()
    moved = [name for name, tensor in first.items() if not torch.equal(tensor, frozen[name])]
    assert moved
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


def test_looks_are_written_one_by_one(glyphs: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: View(name, "glyphs", "compact_googlenet", 48, each=1) for name in ("one", "other")}
    monkeypatch.setattr(localising, "views", lambda: known)
    monkeypatch.setattr(localise, "chosen", lambda *_: np.arange(0, 800, 100))
    path = tmp_path / "looks.jsonl.xz"
    looks = localising.localise(standing=asked, device="cpu", path=path)
    next(looks)
    assert list(localised.load(path)) == ["one"]
    assert [look["look"] for look in looks] == ["other"]
    assert list(localised.load(path)) == ["one", "other"]
    with pytest.raises(UserError, match=r"no view 'othr'\. Did you mean 'other'\?"):
        next(localising.localise(("othr",), standing=asked, path=path))
