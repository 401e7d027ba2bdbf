"""Further protocols and features, and runs of no steps: what a record keeps of them and that it is right."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import TinyTrunk, make_store, register, spied, tiny_config, training

from reproducible import records
from reproducible.config import Component, DataConfig, EvaluationConfig
from reproducible.data.splits import protocol
from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.resources import UserError
from reproducible.training import evaluate, loop, runner

PROTOCOLS = ("photo_to_photo", "photo_to_iconic")
DATA = DataConfig(input_size=32, crop=1.0)
LOOK = EvaluationConfig(every=1, features=("low",), protocols=PROTOCOLS, keep="matches")
UNTOUCHED = {"model": Component("untouched", {"stages": ("low",)}), "steps": 0, "data": DATA, "evaluation": LOOK}


@pytest.fixture(scope="module")
def noise() -> Store:
    """The tiny store."""
    return make_store()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, noise: Store) -> dict[str, Any]:
    """What the untouched tiny trunk leaves."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        patch.setattr(runner, "open_store", lambda name: noise)
        patch.setenv("REPRODUCIBLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("REPRODUCIBLE_PROGRESS", "0")
        return runner.execute(tiny_config(**UNTOUCHED), profile="large", criteria="c" * 64, device="cpu")


@torch.no_grad()
def recall(noise: Store, classes: list[int], name: str, stage: str) -> float:
    """Recall@1 in per cent, from the trunk itself and a loop over the queries."""
    queries, gallery = protocol(noise, classes, name)
    found = []
    for indices in (queries, gallery):
        images = crop_resize(torch.from_numpy(noise.images[indices]), center_boxes(len(indices), 40, 1.0), 32)
        rows = TinyTrunk()(images, collect=(stage,))[stage].mean(dim=(2, 3)).double().numpy()
        found.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    hits = 0
    for place, query in zip(queries, found[0], strict=True):
        cosines = np.where(gallery == place, -np.inf, found[1] @ query)
        hits += noise.labels[gallery[cosines.argmax()]] == noise.labels[place]
    return 100 * hits / len(queries)


@pytest.mark.parametrize("name", ["test_to_trainval", *PROTOCOLS])
@pytest.mark.parametrize(("feature", "stage"), [("embedding", "high"), ("low", "low")])
def test_every_protocol_and_feature_is_measured(
    record: dict[str, Any], noise: Store, name: str, feature: str, stage: str
) -> None:
    classes = sorted({label for label, *_ in record["queries"]})
    found = record["selected"]["further"][name]["features"][feature]["test"]
    assert found["recall_at_1"] == pytest.approx(recall(noise, classes, name, stage), abs=1e-3)


def test_run_of_no_steps_is_the_network_as_it_is(record: dict[str, Any], noise: Store) -> None:
    assert (record["untouched"], [point["step"] for point in record["curve"]]) == ({}, [0])
    assert (record["selected"]["step"], record["selected"]["not_converged"]) == (0, False)
    assert record["environment"]["seconds"] > 0
    primary = record["selected"]["further"]["test_to_trainval"]
    assert primary["features"]["embedding"]["test"] == record["selected"]["test"]
    assert (primary["queries"], primary["gallery"]) == (record["queries"], record["gallery"])


def test_further_looks_are_rescored_as_well(record: dict[str, Any]) -> None:
    assert records.verify(record) == {}
    spoilt = copy.deepcopy(record)
    spoilt["selected"]["further"]["photo_to_iconic"]["features"]["low"]["test"]["recall_at_2"] += 1
    assert list(records.verify(spoilt)) == ["photo_to_iconic, low: recall_at_2"]


def test_of_a_stage_the_ranks_are_kept_that_recall_needs(record: dict[str, Any]) -> None:
    primary = record["selected"]["further"]["test_to_trainval"]["features"]
    assert set(primary["low"]) == {"test", "first"}
    assert set(primary["low"]["test"]) == {*(f"recall_at_{k}" for k in (1, 2, 4, 8)), "macro_recall_at_1"}
    assert set(primary["embedding"]) == {"test", "matches"}


def test_further_looks_are_at_the_selected_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: Store
) -> None:
    register(monkeypatch)
    look = EvaluationConfig(every=4, test_every=4, features=("conv",))
    run = training(tmp_path, noise, evaluation=look)
    result = run.run()
    found = result["selected"]["further"]["test_to_trainval"]["features"]
    assert set(found) == {"embedding", "conv"}
    assert found["embedding"]["test"] == result["selected"]["test"]


def test_no_image_is_embedded_twice_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: Store
) -> None:
    """Roles, protocols and measures share a pass, and weights that were looked at last are not looked at again."""
    register(monkeypatch)
    monkeypatch.setattr(loop, "select", lambda values, _: len(values) - 1)
    looks = spied(monkeypatch, evaluate, "embed_all", lambda model, images, indices, *rest: indices)
    at = spied(monkeypatch, loop.Training, "refresh", lambda run, step: (len(looks), step))
    look = EvaluationConfig(every=6, test_every=6, features=("conv",), protocols=PROTOCOLS, measures=("variances",))
    result = training(tmp_path, noise, evaluation=look).run()
    assert set(result["selected"]["further"]) == {"test_to_trainval", *PROTOCOLS}
    assert [step for _, step in at] == [0, 6, 12]
    for first, last in itertools.pairwise([*(start for start, _ in at), len(looks)]):
        embedded = np.concatenate([np.array([], int), *looks[first:last]])
        assert len(np.unique(embedded)) == len(embedded)
    assert len(embedded) > 0


def test_rows_of_an_embedder_are_those_of_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: Store
) -> None:
    """Asked for in overlapping parts and out of order."""
    register(monkeypatch)
    run = training(tmp_path, noise)
    embedder = evaluate.Embedder(run.model, run.images, noise, run.config, ("embedding", "conv"))
    for asked in ([5, 1, 70], [70, 2, 5, 90, 2], [1, 90]):
        indices = np.array(asked)
        for feature in ("conv", "embedding"):
            expected = evaluate.embed(run.model, run.images, indices, run.config, feature)
            torch.testing.assert_close(embedder.rows(indices, feature), expected)
    with pytest.raises(KeyError):
        embedder.rows(np.array([1]), "low")


def test_unknown_feature_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: Store) -> None:
    register(monkeypatch)
    run = training(tmp_path, noise, evaluation=EvaluationConfig(every=12, features=("cnov",)))
    with pytest.raises(UserError, match=r"no feature 'cnov'\. Did you mean 'conv'"):
        run.run()
