"""Runs on glyphs: every image among all others, nothing mirrored, records that can be rescored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from few_glyphs import MINI, write_variants
from tiny_runs import tiny_config

from reproducible import records, registry
from reproducible.config import DataConfig, EvaluationConfig
from reproducible.data.manifest import load_manifest
from reproducible.data.splits import split
from reproducible.data.store import Store, prepare
from reproducible.encoding import expand
from reproducible.resources import UserError
from reproducible.training import runner
from reproducible.training.evaluate import Embedder, embed, evaluate
from reproducible.training.sets import build_sets

GLYPHS = DataConfig("glyphs", input_size=48, limit_classes=6, classes_per_batch=4, images_per_class=2, flip=False)


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The classes of the benchmark with three small images each, under its name."""
    folder = tmp_path_factory.mktemp("glyphs")
    path = write_variants(folder, few={**MINI, "images": {"image": 3}, "side": 32})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_CACHE", str(folder / "cache"))
        return replace(prepare(load_manifest(path), progress=False), name="glyphs")


@pytest.mark.parametrize("kind", ["half", "staged", "staged_control"])
def test_run(glyphs: Store, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "open_store", lambda name: {"glyphs": glyphs}[name])
    record = runner.execute(
        tiny_config(data=replace(GLYPHS, split=kind)), profile="standard", criteria="c" * 64, device="cpu"
    )
    assert record["gallery"] == []
    assert expand(record["queries"]).tolist() == sorted([*split("glyphs", kind).test[:6]] * 3)
    assert records.verify(record) == {}
    assert record["selected"]["test"]["map_at_r"] > 0


def test_query_is_left_out_of_its_own_gallery(glyphs: Store) -> None:
    """Against cosines in a loop; a query that found itself would have a recall of 100."""
    config = tiny_config(data=replace(GLYPHS, limit_classes=20))
    model = registry.build("model", "unified", registry.build("backbone", "tiny"), dim=6)
    sets = build_sets(config, glyphs).evaluation["test"]
    images = torch.from_numpy(glyphs.images)
    found = evaluate(Embedder(model, images, glyphs, config), sets)
    rows = embed(model, images, sets[0], config).double().numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    labels = glyphs.labels[sets[0]]
    hits = labels[cosines.argmax(1)] == labels
    assert found.result.recall[1] == pytest.approx(hits.mean())
    assert found.result.relevant.tolist() == [2] * 60
    assert not (found.neighbours == np.arange(60)[:, None]).any()


def test_training_images_are_not_doubled(glyphs: Store) -> None:
    sets = build_sets(tiny_config(data=replace(GLYPHS, limit_classes=0)), glyphs)
    drawn = split("glyphs", "half")
    assert sets.train.tolist() == np.flatnonzero(np.isin(glyphs.labels, drawn.train)).tolist()
    assert [len(q) for q, _ in sets.evaluation.values()] == [150, 300, 200]  # two of each seen class


@pytest.mark.parametrize("changed", [False, True])
def test_record_of_parts_and_matches(glyphs: Store, monkeypatch: pytest.MonkeyPatch, changed: bool) -> None:
    """Matches give the same metrics as neighbours do, in less space, and a change is found."""
    monkeypatch.setattr(runner, "open_store", lambda _: glyphs)
    looks = EvaluationConfig(every=2, test_every=2)
    made = []
    for kept in (looks, replace(looks, keep="matches", parts=True)):
        config = tiny_config(data=replace(GLYPHS, limit_classes=20), evaluation=kept, steps=4)
        made.append(runner.execute(config, profile="standard", criteria="c" * 64, device="cpu"))
    whole, small = made
    common = whole["selected"]["test"].keys()
    assert {name: small["selected"]["test"][name] for name in common} == whole["selected"]["test"]
    assert len(small["selected"]["matches"]) < len(whole["selected"]["neighbours"]) / 2
    assert "neighbours" not in small["selected"]
    new = {"recall_at_1_within", "hits_within", "probe_base", "probe_above", "probe_below"}
    assert small["selected"]["test"].keys() - common == new
    assert small["untouched"]["test"].keys() >= new
    assert not small["selected"]["test"].keys() & {"matches"}
    assert records.verify(small) == {}
    if changed:
        small["selected"]["test"]["map_at_r"] += 0.01
        small["selected"]["test"]["recall_at_1_within"] -= 0.01
        assert set(records.verify(small)) == {"map_at_r", "recall_at_1_within"}


def test_recall_within_the_base(glyphs: Store) -> None:
    """Against cosines in a loop over queries, other bases forbidden."""
    config = tiny_config(data=replace(GLYPHS, limit_classes=20))
    model = registry.build("model", "unified", registry.build("backbone", "tiny"), dim=6)
    sets = build_sets(config, glyphs).evaluation["test"]
    images = torch.from_numpy(glyphs.images)
    found = evaluate(Embedder(model, images, glyphs, config), sets, parts=True)
    rows = embed(model, images, sets[0], config).double().numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [glyphs.class_names[c] for c in glyphs.labels[sets[0]]]
    for i, name in enumerate(names):
        sisters = [j for j, other in enumerate(names) if j != i and other[0] == name[0]]
        best = max(sisters, key=lambda j: rows[i] @ rows[j])
        assert found.within[i] == (names[best] == name)
    assert 0 < found.within.mean() < 1


def test_parts_of_a_store_that_does_not_know_them(glyphs: Store) -> None:
    config = tiny_config(data=GLYPHS)
    model = registry.build("model", "unified", registry.build("backbone", "tiny"), dim=6)
    photographs = replace(glyphs, class_parts=())
    sets = build_sets(config, photographs).evaluation["test"]
    with pytest.raises(UserError, match=r"knows no parts of its classes; set evaluation\.parts to false"):
        evaluate(Embedder(model, torch.from_numpy(glyphs.images), photographs, config), sets, parts=True)


def test_a_coarse_class_of_one_image_is_named(glyphs: Store) -> None:
    config = tiny_config(data=GLYPHS)
    model = registry.build("model", "unified", registry.build("backbone", "tiny"), dim=6)
    queries, _ = build_sets(config, glyphs).evaluation["test"]
    alone = queries[glyphs.coarse[queries] != glyphs.coarse[queries[0]]]
    one = np.concatenate([queries[:1], alone])
    name = glyphs.coarse_names[glyphs.coarse[queries[0]]]
    with pytest.raises(UserError, match=rf"Coarse class '{name}' has no image to be found"):
        evaluate(Embedder(model, torch.from_numpy(glyphs.images), glyphs, config), (one, one), parts=True)
