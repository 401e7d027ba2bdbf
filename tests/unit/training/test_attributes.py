"""Runs on attributes: batches carry those of their images and the pairs that their sampler fixes; what is learnt of
them is measured, and every layer can be searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from tiny_runs import make_store, tiny_config, training

from reproducible.config import Component, EvaluationConfig, OptimiserConfig, Term
from reproducible.data.store import Store
from reproducible.evaluation.attributes import similarity_and_hardness
from reproducible.resources import UserError
from reproducible.training.evaluate import embed
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


SGML = Component("sgml", {"dim": 6, "hidden": 10, "attributes": 3})
BOTH = (Term("soft_binomial"), Term("attribute_bce", weight=0.5))


@pytest.fixture
def coloured(store: Store) -> Store:
    """Whether an image is redder, greener or bluer than most."""
    colours = store.images.mean(axis=(1, 2))
    present = (colours > np.median(colours, axis=0)).astype(np.uint8)
    return replace(store, attributes=present, attribute_names=("red", "green", "blue"))


def test_attributes_are_learnt_and_measured(tmp_path: Path, coloured: Store) -> None:
    evaluation = EvaluationConfig(every=20, features=("emb", "fc", "conv", "attributes"), measures=("granularity",))
    fast = OptimiserConfig(lr=1e-2)
    run = training(tmp_path, coloured, model=SGML, objective=BOTH, evaluation=evaluation, steps=40, optimiser=fast)
    result = run.run()
    early, late = (point["terms"] for point in result["curve"])
    assert set(late) == {"soft_binomial", "attribute_bce"} and late["attribute_bce"] < 0.9 * early["attribute_bce"]
    test = np.concatenate(run.sets.evaluation["test"])
    logits = embed(run.model, run.images, test, run.config, "attributes").numpy()
    ranked = average_precision_score(coloured.attributes[test], logits, average="macro")
    found = result["selected"]["test"]  # whose weights the model has now
    assert found["attribute_map"] == pytest.approx(100 * ranked, abs=1e-3) and found["attribute_map"] > 70
    queries = run.sets.evaluation["test"][0]  # all of them are compared, as they are few
    rows = embed(run.model, run.images, queries, run.config).numpy()
    probabilities = torch.from_numpy(logits[: len(queries)]).sigmoid().numpy()
    compared = similarity_and_hardness(probabilities, rows, coloured.labels[queries])
    assert {name: found[name] for name in compared} == pytest.approx(compared, abs=1e-2)
    searched = result["selected"]["further"]["test_to_trainval"]["features"]
    assert searched["emb"]["test"] == {name: searched["embedding"]["test"][name] for name in searched["emb"]["test"]}
    assert list(searched) == ["embedding", "emb", "fc", "conv", "attributes"]


@pytest.mark.parametrize(
    "objective",
    [
        (Term("binomial_deviance", {"gamma": 1.0}),),
        (Term("attribute_bce", {"form": "sum"}, weight=0.01),),
        (Term("soft_binomial", {"similarity": "shuffled"}), BOTH[1]),
        (Term("soft_binomial", {"similarity": "true"}), BOTH[1]),
        (Term("soft_binomial", {"attached": True, "flipped": True}), BOTH[1]),
    ],
    ids=["metric", "attributes", "shuffled", "true", "attached, flipped"],
)
@pytest.mark.parametrize("layer", ["emb", "conv"])
def test_arms_run_on_pairs_of_anchors(tmp_path: Path, coloured: Store, objective: tuple[Term, ...], layer: str) -> None:
    data = replace(tiny_config().data, classes_per_batch=6, images_per_class=3, sampler=Component("image_wise"))
    model = replace(SGML, options={**SGML.options, "learnt": layer})
    run = training(tmp_path, coloured, data=data, model=model, objective=objective)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    batch = run.batch(1)
    assert {len(part) for part in batch.pairs} == {6}
    sum(run.losses(batch).values()).backward()
    run.optimiser.step()
    moved = {name for name, value in run.model.state_dict().items() if not torch.equal(value, before[name])}
    attributes, metric = "attribute_bce" in run.objective.terms, "attribute_bce" not in objective[0].name
    assert ("attribution.weight" in moved) == attributes
    assert ("learner.weight" in moved) == (metric and layer == "emb")
    assert "backbone.stages.low.0.weight" in moved


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Data set 'groceries' has no attributes; set evaluation.measures without granularity"),
        (
            {"model": Component("unified", {"dim": 6})},
            "Unified predicts no attributes; set evaluation.measures without",
        ),
        (
            {"model": Component("sgml", {"attributes": 4})},
            "SGML predicts 4 attributes, data set 'groceries' has 3: set ",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(
    tmp_path: Path, store: Store, coloured: Store, changes: dict[str, Any], words: str
) -> None:
    measured = {"model": SGML, "evaluation": EvaluationConfig(every=4, measures=("granularity",))}
    run = training(tmp_path, coloured if changes else store, **measured | changes)
    with pytest.raises(UserError, match=words):
        run.run()
    assert run.step == 0
