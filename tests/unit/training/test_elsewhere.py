"""A study's arm on a reader's own photographs: who is trained on, what does not fit, what stays beside the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from miniatures import picture
from safetensors.numpy import load_file
from tiny_runs import register, tiny_config, training

from reproducible import records
from reproducible.cli.training import helped
from reproducible.config import DataConfig, EvaluationConfig, RunConfig, override
from reproducible.data.cards import card, roles_said
from reproducible.data.photographs.folder import describe
from reproducible.data.photographs.plan import Halves
from reproducible.data.splits import declared, split
from reproducible.data.store import Store, open_store, prepare
from reproducible.models import build_model
from reproducible.resources import UserError
from reproducible.training import keeping, runner
from reproducible.training.elsewhere import fitted
from reproducible.training.runner import execute
from reproducible.training.sets import build_sets

OPTIONS = {"profile": "standard", "criteria": "", "device": "cpu"}
Mine = Callable[..., Store]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mine:
    """``mine(a=3, ...)``: own photographs, so many of each class; trained on are b, c, d, f and g, whose half is not
    the first."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")
    monkeypatch.delenv("REPRODUCIBLE_DATA", raising=False)
    register(monkeypatch)
    monkeypatch.setattr(runner, "open_store", open_store)

    def make(**counts: int) -> Store:
        for c in "abcdefgh":
            (tmp_path / "mine" / c).mkdir(parents=True)
            for i in range(counts.get(c, 3)):
                (tmp_path / "mine" / c / f"{i}.jpg").write_bytes(picture(10 * ord(c) + i))
        describe(tmp_path / "mine", Halves("list", classes=tuple("bcdfg")), side=40)
        return prepare("mine")

    return make


def config_of(**changes: object) -> RunConfig:
    data = DataConfig("mine", input_size=32, draw=2, classes_per_batch=8, images_per_class=2)
    looks = EvaluationConfig(every=2, protocols=("photo_to_iconic", "all_to_all"))
    return replace(tiny_config(data=data, evaluation=looks, steps=2), **changes)


def test_what_the_reader_declared_is_trained_on(mine: Mine) -> None:
    store = mine()
    config, said = fitted(config_of(), store)
    assert (config.data.split, config.data.draw, config.data.classes_per_batch) == ("canonical", 0, 3)
    assert config.evaluation.protocols == ("all_to_all",) and config.evaluation.start
    assert said == [
        "protocols that mine does not have, left out: photo_to_iconic",
        "classes a batch: 3, all that there are to train on, instead of 8",
    ]
    record = execute(config, **OPTIONS)
    drawn = split(store, "canonical")
    assert set(record["classes"]["train"]) | set(record["classes"]["validation"]) == set("bcdfg")
    assert record["classes"]["test"] == ["a", "e", "h"]
    assert record["classes"]["train"] == [store.class_names[c] for c in drawn.train]
    records.check(record, "here")
    for wrong in ([], {"train": ["a"]}, {**record["classes"], "test": [1]}, {**record["classes"], "seen": ["a"]}):
        with pytest.raises(UserError, match="here: classes"):
            records.check({**record, "classes": wrong}, "here")
    assert [point["step"] for point in record["curve"]] == [0, 2] and record["selected"]["step"] in (0, 2)
    (line,) = helped(record)
    gain = record["selected"]["test"]["recall_at_1"] - record["untouched"]["test"]["recall_at_1"]
    assert f"{gain:+.2f} points of R@1" in line and line.startswith("Training helped" if gain > 0 else "Training did")
    for lines in (roles_said(store, drawn), card("mine").splitlines()):
        assert "3 classes tested on: a, e, h" in lines


def test_what_is_asked_for_stays(mine: Mine) -> None:
    asked = {"data.split", "evaluation.start", "evaluation.protocols", "data.classes_per_batch"}
    config, said = fitted(config_of(), mine(), asked)
    assert config == config_of() and not said
    with pytest.raises(UserError, match=r"p = 8 classes a batch, but there are 3 .* lower data\.classes_per_batch"):
        wrong = replace(
            config, data=replace(config.data, split="canonical", draw=0), evaluation=EvaluationConfig(every=2)
        )
        execute(wrong, **OPTIONS)


@pytest.mark.parametrize(("name", "kind"), [("cub200", "canonical"), ("groceries", "canonical"), ("glyphs", "half")])
def test_each_data_set_declares_a_division(name: str, kind: str) -> None:
    assert declared(name) == kind


def test_step_0_can_be_selected_and_is_said() -> None:
    record = {"untouched": {"test": {"recall_at_1": 95.2}}, "selected": {"step": 0, "test": {"recall_at_1": 80.0}}}
    (line,) = helped(record)
    assert line == (
        "Training did not help: -15.20 points of R@1 against the untouched network. Validation chose step 0, before"
        " any training."
    )
    assert helped({"untouched": {}, "selected": {"step": 2}}) == []


def test_queries_with_nothing_to_find_are_counted(mine: Mine) -> None:
    store = mine(a=1, e=1)
    record = execute(fitted(config_of(), store)[0], **OPTIONS)
    for look in (record["selected"]["test"], record["last"]["test"], record["untouched"]["test"]):
        assert look["unanswerable"] == 2
    assert "unanswerable" not in record["curve"][-1]["validation"]
    records.check(record, "here")
    assert records.verify(record) == {}


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 1, "e": 1, "h": 1}, r"3 test classes have nothing to be found: a single image each: a, e, h; leave"),
        (
            dict.fromkeys("bcdfg", 1),
            r"3 classes that are trained on have a single image and so no positive pair: \w, \w, \w",
        ),
    ],
)
def test_classes_of_a_single_image_are_found_before_a_step(mine: Mine, counts: dict[str, int], said: str) -> None:
    store = mine(**counts)
    config, _ = fitted(config_of(), store)
    with pytest.raises(UserError, match=said + r".*--exclude"):
        build_sets(config, store)


def test_what_is_kept(mine: Mine) -> None:
    store = mine()
    config, _ = fitted(override(config_of(), "evaluation.keep", "matches"), store)  # which the record keeps
    record = execute(config, **OPTIONS, keep=("weights", "neighbours"))
    folder = records.run_folder(record["digest"])
    assert {path.name for path in folder.glob("*[sz]")} == {"weights.safetensors", "neighbours.npz"}
    found = np.load(folder / "neighbours.npz", allow_pickle=False)
    test = [path for path, label in zip(store.paths, store.labels, strict=True) if store.class_names[label] in "aeh"]
    assert found["queries"].tolist() == found["gallery"].tolist() == test
    hits = found["gallery_classes"][found["neighbours"][:, 0]] == found["query_classes"]
    assert 100 * hits.mean() == pytest.approx(record["selected"]["test"]["recall_at_1"], abs=1e-3)
    tensors = load_file(folder / "weights.safetensors")
    run = training(folder / "again", store, **{f: getattr(config, f) for f in ("data", "evaluation", "steps")})
    step = run.run()["selected"]["step"]
    run.go_back(step)
    for name, value in run.model.state_dict().items():
        np.testing.assert_array_equal(tensors[name], value.numpy())
    build_model(records.configuration(record)).load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()})
    assert execute(config, **OPTIONS, keep=("weights",))["digest"] == record["digest"]


def test_a_finished_run_that_kept_nothing_says_what_to_delete(mine: Mine) -> None:
    config, _ = fitted(config_of(), mine())
    record = execute(config, **OPTIONS)
    with pytest.raises(UserError, match=r"has not kept weights\.safetensors; delete its record\.json"):
        execute(config, **OPTIONS, keep=("weights",))
    (records.run_folder(record["digest"]) / "record.json").unlink()
    again = execute(config, **OPTIONS, keep=("weights",))
    assert again["selected"] == record["selected"]


def test_words_of_keep() -> None:
    assert keeping.kinds_in("weights, neighbours,weights") == ("weights", "neighbours") and keeping.kinds_in("") == ()
    with pytest.raises(UserError, match=r"--keep: there is no 'weight' to keep\. Did you mean 'weights'"):
        keeping.kinds_in("weight")
