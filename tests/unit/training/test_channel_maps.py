"""What gates pass on, of a network of two small stages: a literal loop, and the rows that the rule keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import CPU, TinyTrunk, tiny_config

from reproducible.config import Component, RunConfig
from reproducible.data.splits import split
from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.evaluation import channel_maps as kept
from reproducible.models.deml import deml
from reproducible.studies import channel_maps as command
from reproducible.training import channel_maps
from reproducible.training.channel_maps import measure, passed_on
from reproducible.training.runner import selected_model
from reproducible.training.seeding import initialise

OPTIONS = {"scales": 1, "branches": 3, "dim": 24, "at": "low", "hidden": 4, "layers": ["high"]}


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(channel_maps, "open_store", lambda name: store)


def runs() -> dict[str, RunConfig]:
    one = tiny_config(model=Component("deml", OPTIONS), steps=4)
    return {"one": one, "other": replace(one, seed=1, arm="other")}


@pytest.mark.parametrize("gate", ["pooled", "unpooled"])
def test_maps_and_factors_are_those_of_a_loop(store: Store, gate: str) -> None:
    model = deml(TinyTrunk(), **{**OPTIONS, "gate": gate})
    initialise(model, 1)
    indices, data = np.array([3, 40, 41, 90]), tiny_config().data
    maps, factors = passed_on(model, torch.from_numpy(store.images), indices, data)
    assert maps.shape == (4, 4, 8, 8) and factors.shape == (4, 3, 8)
    assert model.training  # as it was
    box = center_boxes(1, store.images.shape[1], data.crop)
    for n, index in enumerate(indices):
        image = crop_resize(torch.from_numpy(store.images[[index]]), box, data.input_size)
        with torch.no_grad():
            head = TinyTrunk()(image, ("low",))["low"]
            gates = model.scales[0].gates(head)[:, 0]
        assert np.allclose(maps[n, 0], head[0].mean(0), atol=1e-3)
        for j in range(3):
            assert np.allclose(maps[n, 1 + j], (head[0] * gates[j]).mean(0), atol=1e-3)
            assert np.allclose(factors[n, j], gates[j].mean(dim=(1, 2)), atol=1e-5)


def test_rows_follow_the_rule_and_networks_are_those_of_the_runs(store: Store) -> None:
    found = measure(runs(), every=12, extremes=2, seed=0, device="cpu")
    tested = sorted(split(store, "half", 0).test)
    indices = kept.photographs(store, tested)
    assert list(found["networks"]) == [kept.START, "one", "other"]
    assert [store.labels[i] for why, i in found["rows"] if why == kept.DRAWN] == tested[::12]
    model = selected_model(runs()["one"], store, CPU)
    maps, factors = passed_on(model, torch.from_numpy(store.images), indices, runs()["one"].data)
    wanted = kept.alike(maps[:, 1:], factors)
    for quantity, values in wanted.items():
        assert kept.values(found, "one", quantity) == pytest.approx(values, abs=0.00051)
    order = wanted["patterns"].argsort()
    (most, _), (least, _) = ([i for name, i in found["rows"] if name == why] for why in (kept.ALIKE, kept.APART))
    assert (least, most) == (indices[order[0]], indices[order[-1]])
    again = kept.alike(kept.maps_of(found, "one")[:, 1:], np.ones((len(found["rows"]), 3, 1)))
    places = np.searchsorted(indices, [i for _, i in found["rows"]])
    assert again["patterns"] == pytest.approx(wanted["patterns"][places], abs=0.02)
    start, one, other = (kept.values(found, name, "gates") for name in found["networks"])
    assert not np.array_equal(start, one) and not np.array_equal(one, other)


def test_the_command_writes_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def noted(*given: object) -> dict[str, object]:
        asked.append(given)
        return {"networks": {}}

    monkeypatch.setattr(command, "measure", noted)
    command.write("cpu", tmp_path / "maps.json")
    assert (tmp_path / "maps.json").read_text() == kept.text({"networks": {}})
    ((named, *_),) = asked
    assert [config.arm for config in named.values()] == list(named) == list(command.ARMS)
    assert {config.data.draw for config in named.values()} == {command.DRAW}
