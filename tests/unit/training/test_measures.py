"""What a run measures beyond retrieval: what is in its record, and that it can be computed again from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_runs import SIDE, training

from reproducible.config import Component, EvaluationConfig, Term, to_dict
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize
from reproducible.encoding import decode_clusters, encode_clusters, run_lengths
from reproducible.evaluation import kmeans, nmi, pairwise_f1
from reproducible.evaluation.probes import PARTS, part_probes, probe_map
from reproducible.records import verify
from reproducible.resources import UserError
from reproducible.training.evaluate import embed
from reproducible.training.loop import Training
from reproducible.types import Output

VEM = Component("vem", {"dim": 6, "std": 1.0})
LOSSES = (Term("margin"), Term("penalty", {"name": "L_var"}))
ALL = ("clusters", "gate", "variances")


def finished(folder: Path, store: Store, measures: tuple[str, ...] = ALL, model: Component = VEM) -> Any:
    evaluation = EvaluationConfig(every=4, test_every=4, seen_every=4, seen_images=2, measures=measures)
    losses = LOSSES if model.name == "vem" else LOSSES[:1]
    run = training(folder, store, model=model, objective=losses, evaluation=evaluation)
    run.result = run.run()
    return run


def test_digests_stay_as_they_are_without_measures() -> None:
    assert "measures" not in to_dict(EvaluationConfig(), sparse=True)


def test_measures_of_trials() -> None:
    with pytest.raises(UserError, match=r"EvaluationConfig\.measures must be empty where test is off"):
        EvaluationConfig(test=False, measures=("gate",))


def test_measures_are_looks_and_change_nothing(tmp_path: Path, store: Store) -> None:
    plain = finished(tmp_path / "plain", store, ())
    run = finished(tmp_path / "all", store)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], value), name
    for one, other in zip(plain.result["curve"], run.result["curve"], strict=True):
        assert one["test"].items() <= other["test"].items()
    assert "clusters" not in plain.result["selected"]


def test_what_lies_where(tmp_path: Path, store: Store) -> None:
    result = finished(tmp_path, store).result
    for point in result["curve"]:
        assert {"nmi", "f1", "gate_q0", "discarded_gate_share"} <= point["test"].keys()
        assert point["test"]["nmi_low"] <= point["test"]["nmi"] <= point["test"]["nmi_high"]
        assert not {"clusters", "neighbours"} & point.keys()
    assert "clusters" in result["selected"]
    for point in (result["selected"], result["last"]):
        assert {"variance_fisher_correlation", "relative_variance_error"} <= point["test"].keys()


def test_clusters_are_of_queries_and_gallery_and_give_the_scores_again(tmp_path: Path, store: Store) -> None:
    run = finished(tmp_path, store)
    rows = np.concatenate(run.sets.evaluation["test"])
    labels, selected = store.labels[rows], run.result["selected"]
    assign = decode_clusters(selected["clusters"], len(rows))
    assert 100 * nmi(labels, assign) == pytest.approx(selected["test"]["nmi"], abs=1e-3)
    assert 100 * pairwise_f1(labels, assign) == pytest.approx(selected["test"]["f1"], abs=1e-3)
    sides = {
        name: run_lengths(store.labels[part], store.coarse[part])
        for name, part in zip(("queries", "gallery"), run.sets.evaluation["test"], strict=True)
    }
    record = {**run.result, **sides, "untouched": {}}
    assert verify(record) == {}
    selected["test"]["f1"] += 0.01
    assert set(verify(record)) == {"f1"}
    last = embed(run.model, run.images, rows, run.config).numpy()
    starts = [kmeans(last, len(set(labels)), seed=number, restarts=1) for number in range(10)]
    scores = [100 * nmi(labels, start) for start in starts]
    found = run.result["last"]["test"]
    assert (found["nmi_low"], found["nmi_high"]) == pytest.approx((min(scores), max(scores)), abs=1e-3)


def test_packed_clusters_come_back() -> None:
    assign = np.random.default_rng(0).integers(0, 4000, 300)
    assert np.array_equal(decode_clusters(encode_clusters(assign), 300), assign)


def test_variances_are_those_of_the_pooled_features(tmp_path: Path, store: Store) -> None:
    run = finished(tmp_path, store)
    found, model = run.result["last"]["test"], run.model
    conv = embed(model, run.images, run.sets.train, run.config, "conv").double()
    actual = conv.var(dim=0, correction=0)
    error = 100 * (actual - model.attention.predicted).abs().mean() / actual.mean()
    assert found["relative_variance_error"] == pytest.approx(error.item(), rel=1e-4)
    assert found["mean_variance"] == pytest.approx(actual.mean().item(), rel=1e-3)
    gate = torch.sigmoid(model.attention.predicted)
    assert found["gate_q50"] == pytest.approx(gate.quantile(0.5).item(), abs=1e-4)


@pytest.mark.parametrize("gate", ["inverse_variance", "squeeze_excitation", "fixed"])
def test_gates_of_every_kind(tmp_path: Path, store: Store, gate: str) -> None:
    evaluation = EvaluationConfig(every=4, measures=("gate",))
    model = Component("vem", {"dim": 6, "gate": gate, "std": 1.0})
    run = training(tmp_path, store, model=model, objective=LOSSES[:1], evaluation=evaluation, steps=4)
    found = run.run()["last"]["test"]
    pooled = embed(run.model, run.images, run.sets.train, run.config, "conv")
    attention = run.model.attention
    means = {
        "inverse_variance": lambda: torch.sigmoid(-attention.predicted),
        "squeeze_excitation": lambda: attention(pooled).mean(dim=0),
        "fixed": lambda: torch.sigmoid(attention.predicted),
    }[gate]()
    assert found["gate_q100"] == pytest.approx(means.max().item(), abs=2e-2)
    assert found["gate_q0"] == pytest.approx(means.min().item(), abs=2e-2)
    assert "relative_variance_error" not in found


def test_gate_of_a_model_without(tmp_path: Path, store: Store) -> None:
    with pytest.raises(UserError, match="The model puts out no feature 'gate'"):
        finished(tmp_path, store, ("gate",), Component("unified", {"dim": 6}))


DEML = Component("deml", {"scales": 2, "branches": 3, "dim": 24, "at": "low", "hidden": 3, "layers": ["high"]})


def queries_through(run: Training) -> Output:
    """What the model puts out for the test queries, cut out here by hand."""
    stored, edge = run.images[run.sets.evaluation["test"][0]], SIDE / 16  # the central window of 0.875
    boxes = torch.tensor([[edge, edge, SIDE - edge, SIDE - edge]]).expand(len(stored), 4)
    return run.model.eval()(crop_resize(stored, boxes, run.config.data.input_size))


def check_windows(found: dict[str, float], output: Output) -> None:
    window = output.attention["window_2"]
    sides = ((window[:, 2] - window[:, 0]) * (window[:, 3] - window[:, 1])).sqrt()
    assert found["side_2"] == pytest.approx(100 * sides.mean().item(), abs=1e-2)
    assert found["whole_2"] == pytest.approx(100 * output.attention["whole_2"].mean().item(), abs=1e-2)


def test_windows_of_one_network_that_sees_the_object_alone(tmp_path: Path, store: Store) -> None:
    evaluation = EvaluationConfig(every=4, measures=("windows",))
    model = Component("zoomed", {"dim": 6, "layers": ["high"]})
    run = training(tmp_path, store, model=model, objective=LOSSES[:1], evaluation=evaluation, steps=4)
    found = run.run()["last"]["test"]
    with torch.no_grad():
        check_windows(found, queries_through(run))


def test_branches_and_windows_are_those_of_test_images(tmp_path: Path, store: Store) -> None:
    evaluation = EvaluationConfig(every=4, measures=("branches", "windows"))
    run = training(tmp_path, store, model=DEML, objective=LOSSES[:1], evaluation=evaluation, steps=4)
    result = run.run()
    found, output = result["last"]["test"], queries_through(run)
    cosines = {"learner": [], "gate": []}
    for scale in range(2):
        for j, other in ((0, 1), (0, 2), (1, 2)):
            a, b = (output.learners[3 * scale + k] for k in (j, other))
            cosines["learner"].append(F.cosine_similarity(a, b).mean().item())
            gates = output.attention[f"gate_{scale + 1}"]
            cosines["gate"].append(F.cosine_similarity(gates[:, j], gates[:, other]).mean().item())
    for name, values in cosines.items():
        assert found[f"{name}_cosine"] == pytest.approx(100 * np.mean(values), abs=1e-2)
        assert found[f"{name}_overlap"][1][0][2] == pytest.approx(100 * values[4], abs=0.1)
    check_windows(found, output)
    assert "learner_cosine" in result["selected"]["test"]
    assert "learner_cosine" not in result["curve"][0].get("seen", {})


def test_attributes_of_branches(tmp_path: Path, store: Store) -> None:
    """Made-up parts: three marks on classes that share a base with two others."""
    parts = tuple((str(number // 3), ("", "acute", "grave")[number % 3], "dot") for number in range(81))
    known = replace(store, class_parts=parts)
    evaluation = EvaluationConfig(every=4, measures=("attributes",))
    run = training(tmp_path, known, model=DEML, objective=LOSSES[:1], evaluation=evaluation, steps=4)
    found = run.run()["last"]["test"]
    rows = np.concatenate(run.sets.evaluation["test"])
    named = [parts[label] for label in store.labels[rows]]
    whole = embed(run.model, run.images, rows, run.config).numpy()
    assert found["attribute_probe_map"] == pytest.approx(100 * probe_map(whole, named), abs=1e-2)
    pooled = embed(run.model, run.images, rows, run.config, "conv").numpy()  # six branches of 12 channels
    read = [[part_probes(pooled[:, 12 * k : 12 * k + 12], named)[f"probe_{p}"] for p in PARTS] for k in range(6)]
    leans = [[value - np.mean(branch) for value in branch] for branch in read]
    spread = np.mean([np.std([leans[3 * scale + j][p] for j in range(3)]) for scale in range(2) for p in range(3)])
    assert found["gate_attribute_selectivity"] == pytest.approx(100 * spread, abs=1e-2)
    learned = embed(run.model, run.images, rows, run.config, "emb").numpy()
    size = learned.shape[1] // 6
    for part in PARTS:
        name = f"probe_{part}"
        alone = [100 * part_probes(learned[:, size * k : size * (k + 1)], named)[name] for k in range(6)]
        assert np.ravel(found[f"learner_{name}"]) == pytest.approx(alone, abs=1e-2)


UNIFIED = Component("unified", {"dim": 6})


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"measures": ("branches",)}, r"Unified has no branches to compare; set evaluation\.measures without branches"),
        ({"measures": ("windows",)}, r"Unified has no windows; set evaluation\.measures without windows"),
        ({"measures": ("attributes",)}, r"'groceries' knows no parts .* set evaluation\.measures without attributes"),
        ({"measures": ("gate",)}, r"puts out no feature 'gate'"),
        ({"measures": ("gates",)}, r"There is no measure named 'gates'\. Did you mean 'gate'\?"),
        ({"parts": True}, r"'groceries' knows no parts of its classes; set evaluation\.parts to false"),
        ({"features": ("scale_1",)}, r"puts out no feature 'scale_1'"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(
    tmp_path: Path, store: Store, asked: dict[str, Any], words: str
) -> None:
    run = training(tmp_path, store, model=UNIFIED, evaluation=EvaluationConfig(every=4, **asked))
    with pytest.raises(UserError, match=words):
        run.run()
    assert run.step == 0
