"""The file of looks: packing, reading, intervals; and the committed file against itself and the data sets."""

from __future__ import annotations

import base64
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reproducible import records
from reproducible.data.manifest import load_manifest
from reproducible.data.splits import split
from reproducible.encoding import pack_lines
from reproducible.evaluation import localised
from reproducible.resources import UserError
from reproducible.studies.localising import views
from reproducible.verdicts.table import verdict_table

COMMITTED = localised.load()
each_look = pytest.mark.parametrize("look", COMMITTED.values(), ids=COMMITTED)


def made(**changes: object) -> localised.Look:
    """A look of six images of two classes."""
    about = {key: key for key in localised.KEYS[:10]} | {"classes": [[3, 4], [8, 2]]}
    method = {"iou": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 1.0]), "hit": np.array([0, 1, 1, 1, 1, 1])}
    graphs = {
        "4e": {"variation": np.array([0, 0.005, 0.02, 0, 0, 0]), "eigenvalue": np.full(6, -0.25)},
        "5b": {"variation": np.array([0.03, 0.0, 0, 0, 0, 0]), "eigenvalue": np.full(6, -0.5)},
    }
    return localised.pack(about, {"truth": {}, "methods": {"walk": method}, "graphs": graphs} | changes)


def test_a_look_comes_back_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl.xz"
    other = {**made(), "look": "another"}
    path.write_bytes(localised.content([made(), other]))
    found = localised.load(path)
    assert list(found) == ["another", "look"]
    look = found["look"]
    assert look == made()
    assert localised.labels(look).tolist() == [3, 3, 3, 3, 8, 8]
    assert localised.values(look, "walk", "iou").tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 1.0]
    assert localised.converged(look).tolist() == [False, True, False, True, True, True]
    assert localised.converged(look, ("4e",)).sum() == 5
    assert look["means"]["methods"]["walk"] == {"iou": 41.67, "hit": 83.33}
    assert look["means"]["graphs"]["5b"] == {"variation": 0.5, "eigenvalue": -0.5}


def test_no_file_is_no_look(tmp_path: Path) -> None:
    assert localised.load(tmp_path / "none.jsonl.xz") == {}


def test_damage_and_wrong_names_are_named(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl.xz"
    path.write_bytes(lzma.compress(f"{json.dumps(made())}\n{{".encode()))
    with pytest.raises(UserError, match=r"looks\.jsonl\.xz, line 2: not a look"):
        localised.load(path)
    path.write_bytes(pack_lines([{key: value for key, value in made().items() if key != "size"}]))
    with pytest.raises(UserError, match="size"):
        localised.load(path)
    with pytest.raises(UserError, match=r"has no method 'walks'\. Did you mean 'walk'\?"):
        localised.values(made(), "walks", "iou")
    with pytest.raises(UserError, match=r"walk: no 'hits'\. Did you mean 'hit'\?"):
        localised.values(made(), "walk", "hits")
    with pytest.raises(UserError, match=r"has no graph '5c'\. Did you mean '5b'\?"):
        localised.graph(made(), "5c", "variation")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1.01, 200.0])
def test_values_that_cannot_be_kept_are_refused(wrong: float) -> None:
    graphs = {"5b": {"variation": np.array([0.5, 1 + 1e-6, wrong]), "eigenvalue": np.zeros(3)}}
    with pytest.raises(UserError, match=r"look 'look', 5b, variation: value 3 of 3 must be from -1 to 1, found "):
        made(graphs=graphs)


def cut_short(packed: str) -> str:
    return packed[:-5]


def half_a_value(packed: str) -> str:
    return base64.b85encode(zlib.compress(zlib.decompress(base64.b85decode(packed))[:-1])).decode()


@pytest.mark.parametrize("spoil", [cut_short, half_a_value, "é{}".format, "{} ".format, lambda packed: 7])
def test_values_that_are_damaged_are_named(spoil: Callable[[str], object]) -> None:
    look = made()
    look["methods"]["walk"]["iou"] = spoil(look["methods"]["walk"]["iou"])
    look["graphs"]["4e"]["eigenvalue"] = spoil(look["graphs"]["4e"]["eigenvalue"])
    said = "the stored values cannot be read .*: the file is damaged"
    with pytest.raises(UserError, match=f"look 'look', walk, iou: {said}"):
        localised.values(look, "walk", "iou")
    with pytest.raises(UserError, match=f"look 'look', 4e, eigenvalue: {said}"):
        localised.graph(look, "4e", "eigenvalue")
    with pytest.raises(UserError, match=f"look 'look', walk, iou: {said}"):
        localised.means(look)


def test_degenerate_boxes() -> None:
    assert localised.degenerate([0.05, 0.1, 0.5, 0.9, 0.95]).tolist() == [True, False, False, False, True]


def test_frozen_records_hold_the_means_over_the_test_classes_of_each_draw() -> None:
    """The mass of a class is its id: a loop over the classes of the split says what the records must hold."""
    classes = [[c, 2] for c in range(400)]
    mass = np.repeat(np.arange(400) / 400, 2)
    flat, variation = np.zeros(800), np.where(mass < 0.5, 0.02, 0.0)
    methods = {name: {"area": flat + 0.5, "in_object": flat} for name in localised.ARMS.values()}
    methods["object attention"] = {"area": np.where(mass < 0.5, 0.95, 0.5), "in_object": mass}
    graphs = {layer: {"variation": variation, "eigenvalue": flat} for layer in ("4e", "5b")}
    about = {key: key for key in localised.KEYS[:8]} | {"data": "glyphs", "seconds": {"forward": 8.0, "walk": 0.2}}
    look = localised.pack({**about, "classes": classes}, {"truth": {}, "methods": methods, "graphs": graphs})
    found = localised.frozen_records({"glyphs": look})
    assert len(found) == 10 * len(localised.ARMS)
    for record in found:
        assert set(record) == set(records.KEYS)
        drawn = split("glyphs", "half", record["draw"])
        tested, test = drawn.test, record["selected"]["test"]
        assert record["study"] == "glyph_object_attention"
        if record["arm"] == "frozen-oam":
            assert test["mass_in_object"] == pytest.approx(100 * np.mean(tested) / 400, abs=0.3)
            assert test["converged_share"] == pytest.approx(100 * np.mean([c >= 200 for c in tested]))
            unseen, seen = (100 * np.mean([c < 200 for c in classes]) for classes in (tested, drawn.train))
            assert test["degenerate_map_share"] == pytest.approx(unseen)
            assert test["degenerate_map_rise"] == pytest.approx(unseen - seen)
            assert record["environment"] == ({"walk_time_share_of_forward": 2.5} if record["draw"] == 0 else {})
        else:
            assert test == {"degenerate_map_share": 0, "degenerate_map_rise": 0, "mass_in_object": 0}
        assert [c for c, *_ in record["queries"]] == sorted(tested)


def test_claims_read_what_was_measured_on_frozen_networks() -> None:
    """D11 asks for converged maps, D09 for more mass than a centre prior collects."""
    table = verdict_table("DeML", detail=True)
    read = table["study"].isin(["object_attention", "glyph_object_attention"]) & table["comparison"].str.contains(
        "frozen"
    )
    table = table[read].set_index(["claim", "criterion"])
    draws = [split("glyphs", "half", draw).test for draw in range(10)]
    classes = localised.labels(COMMITTED["glyphs"])
    ours, prior = (
        localised.values(COMMITTED["glyphs"], name, "in_object") for name in ("object attention", "centre prior")
    )
    gap = np.mean([100 * (ours - prior)[np.isin(classes, tested)].mean() for tested in draws])
    assert table.loc[("D09", 0), "mean"] == pytest.approx(gap)
    assert table.loc[("D09", 0), "n"] == 10
    assert not table["criteria_changed"].any()


def test_interval_resamples_whole_classes() -> None:
    """Two classes of one value each: a resample is one, the other or both, so the interval spans them; images alone
    would give a narrow one."""
    values, classes = np.repeat([0.2, 0.6], 50), np.repeat([0, 1], 50)
    assert localised.class_interval(values, classes) == pytest.approx((0.2, 0.6))
    low, high = localised.class_interval(values, np.arange(100))
    assert 0.3 < low < 0.4 < high < 0.5


def test_every_look_is_of_a_view_and_those_that_claims_read_are_there() -> None:
    """Without them the tests of each look would pass for want of one."""
    assert set(localised.FROZEN) <= set(COMMITTED) <= set(views())


@each_look
def test_means_are_those_of_the_stored_values(look: localised.Look) -> None:
    assert localised.means(look) == look["means"]


@each_look
def test_a_value_for_every_image(look: localised.Look) -> None:
    count = len(localised.labels(look))
    for name, quantities in look["methods"].items():
        for quantity in quantities:
            values = localised.values(look, name, quantity)
            assert values.shape == (count,), (name, quantity)
            assert ((values >= 0) & (values <= 1)).all(), (name, quantity)
    for layer in look["graphs"]:
        assert localised.graph(look, layer, "eigenvalue").shape == (count,)


@each_look
def test_looks_are_of_the_data_and_network_that_they_name(look: localised.Look) -> None:
    view = views()[look["look"]]
    assert look["fingerprint"] == load_manifest(view.data).fingerprint
    assert (look["data"], look["size"]) == (view.data, view.size)
    assert look["network"].startswith(view.backbone)
