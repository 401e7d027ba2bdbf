"""How alike branches are, the file of channel maps, and the committed file against the data set and its own rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reproducible import records
from reproducible.data.cards import examples
from reproducible.data.splits import split
from reproducible.data.store import open_store
from reproducible.encoding import expand
from reproducible.evaluation import channel_maps
from reproducible.evaluation.channel_maps import ALIKE, APART, DRAWN, START, alike, largest
from reproducible.evaluation.features import mean_overlap, overlap
from reproducible.resources import UserError, manifests
from reproducible.studies.channel_maps import ARMS, DRAW, EVERY, EXTREMES, SEED
from reproducible.verdicts.contrasts import by_draw

N, J, SIDE = 5, 3, 4


def made() -> tuple[np.ndarray, np.ndarray]:
    """Maps, the ungated ones first, and factors."""
    draw = np.random.default_rng(0)
    return draw.uniform(0, 40, (N, 1 + J, SIDE, SIDE)), draw.uniform(0, 1, (N, J, 7))


def packed() -> channel_maps.Maps:
    maps, factors = made()
    about = {"data": "made", "draw": 0, "fingerprint": "f", "weights": "w", "classes": [[3, 0, 2], [8, 1, 3]]}
    rows = [[DRAWN, 4], [ALIKE, 7]]
    quantities = {"one": alike(maps[:, 1:], factors), "other": alike(maps[::-1, 1:], factors)}
    return channel_maps.pack({**about, "rows": rows}, {"one": maps[:2], "other": maps[2:4] / 2}, quantities)


def test_alike_is_what_a_loop_over_photographs_and_pairs_finds() -> None:
    maps, factors = made()
    found = alike(maps[:, 1:], factors)
    pairs = [(0, 1), (0, 2), (1, 2)]
    for n in range(N):
        flat = maps[n, 1:].reshape(J, -1)
        assert found["patterns"][n] == pytest.approx(np.mean([np.corrcoef(flat[i], flat[j])[0, 1] for i, j in pairs]))
    for quantity, branches in (("gates", factors), ("maps", maps[:, 1:].reshape(N, J, -1))):
        means = mean_overlap(overlap(np.moveaxis(branches, 1, 0)))
        assert 100 * found[quantity].mean() == pytest.approx(means)


def test_brightness_is_no_pattern_and_a_flat_map_has_none() -> None:
    one = made()[0][0, 1]
    found = alike([[one, 3 * one, 0.5 * one + 2]], np.ones((1, 3, 7)))
    assert found["patterns"] == pytest.approx([1.0]) and found["gates"] == pytest.approx([1.0])
    assert found["maps"][0] < 1
    assert alike([[one, np.ones_like(one)]], np.zeros((1, 2, 7)))["patterns"].tolist() == [0]


def test_the_largest_are_of_different_classes() -> None:
    assert largest([0.5, 0.9, 0.8, 0.1, 0.9], [1, 2, 2, 3, 4], 3) == [1, 4, 0]


def test_maps_and_values_come_back_from_the_file(tmp_path: Path) -> None:
    (maps, factors), path = made(), tmp_path / "maps.json"
    path.write_text(channel_maps.text(packed()))
    found = channel_maps.load(path)
    assert found == packed()
    top = np.maximum(maps[:2].max(axis=(1, 2, 3)), maps[2:4].max(axis=(1, 2, 3)) / 2)[:, None, None, None]
    assert np.abs(channel_maps.maps_of(found, "one") - maps[:2] / top).max() <= 0.0005 + 1e-9
    assert np.abs(channel_maps.maps_of(found, "other") - maps[2:4] / 2 / top).max() <= 0.0005 + 1e-9
    wanted = alike(maps[:, 1:], factors)
    for quantity, values in wanted.items():
        assert np.abs(channel_maps.values(found, "one", quantity) - values).max() <= 0.0005 + 1e-9
        assert found["networks"]["one"]["means"][quantity] == pytest.approx(100 * values.mean(), abs=0.06)


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "maps.json"
    with pytest.raises(
        UserError, match=r"maps\.json cannot be read \(.*No such file.*reproducible measure maps makes it"
    ):
        channel_maps.load(path)
    path.write_text("{")
    with pytest.raises(UserError, match=r"maps\.json cannot be read \(Expecting property name"):
        channel_maps.load(path)
    path.write_text(channel_maps.text({key: value for key, value in packed().items() if key != "rows"}))
    with pytest.raises(UserError, match=r"maps\.json: the key 'rows' is missing"):
        channel_maps.load(path)
    broken = packed()
    broken["networks"]["one"]["maps"] = broken["networks"]["one"]["maps"][:-5]
    with pytest.raises(UserError, match="one, maps: the stored values cannot be read"):
        channel_maps.maps_of(broken, "one")


def test_a_network_that_went_astray_is_named() -> None:
    maps, factors = made()
    factors[1, 0, 0] = np.nan
    with pytest.raises(UserError, match="one, gates: value 2 of 5 must be from -1 to 1"):
        channel_maps.pack({}, {"one": maps}, {"one": alike(maps[:, 1:], factors)})


def test_the_committed_file_holds_the_photographs_that_the_rule_names() -> None:
    found, store = channel_maps.load(), open_store("groceries")
    assert (manifests() / channel_maps.FILE).stat().st_size < 60_000
    assert (found["fingerprint"], found["draw"]) == (store.fingerprint, DRAW)
    assert list(found["networks"]) == [START, *ARMS]
    tested = sorted(split(store, "half", DRAW).test)
    measured = channel_maps.photographs(store, tested)
    assert expand(found["classes"]).tolist() == store.labels[measured].tolist()
    drawn = examples(store, tested[::EVERY], "test", 1, SEED).tolist()
    assert [index for why, index in found["rows"] if why == DRAWN] == drawn
    values = channel_maps.values(found, ARMS[0], "patterns")
    for why, best in ((ALIKE, values.max()), (APART, values.min())):
        chosen = [index for name, index in found["rows"] if name == why]
        assert len(set(store.labels[chosen].tolist())) == EXTREMES
        assert values[np.searchsorted(measured, chosen[0])] == best


@pytest.mark.parametrize("network", [START, *ARMS])
def test_committed_means_and_maps_are_those_of_the_stored_values(network: str) -> None:
    found = channel_maps.load()
    store = open_store(found["data"])
    for quantity, mean in found["networks"][network]["means"].items():
        values = channel_maps.values(found, network, quantity)
        assert mean == pytest.approx(100 * values.mean(), abs=0.005)
    maps = channel_maps.maps_of(found, network)
    assert maps.min() >= 0 and maps.max() <= 1
    measured = channel_maps.photographs(store, expand(found["classes"]))
    shown = np.searchsorted(measured, [index for _, index in found["rows"]])
    again = alike(maps[:, 1:], np.ones((len(maps), found["branches"], 1)))
    for quantity in ("maps", "patterns"):
        kept = channel_maps.values(found, network, quantity)[shown]
        assert again[quantity] == pytest.approx(kept, abs=0.01)


@pytest.mark.parametrize("arm", ARMS)
def test_the_networks_are_those_of_the_records(arm: str) -> None:
    """Trained again on another machine, their gates are about as alike."""
    record = by_draw(records.load("deml"), arm)[DRAW]
    mean = channel_maps.load()["networks"][arm]["means"]["gates"]
    assert mean == pytest.approx(record["selected"]["test"]["gate_cosine"], abs=1)
