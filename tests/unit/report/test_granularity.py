"""What SGML's pages draw and tabulate: numbers are the records', what is missing says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import look, record
from matplotlib.colors import to_hex

from reproducible.data.attributes import Attributes
from reproducible.report import controlled, granularity
from reproducible.report.figures import BLUE, ROSE
from reproducible.studies import study

GLYPHS = study("glyph_sgml")
EMB, CONV, PLAIN = (60.0, 64.0, 62.0), (70.0, 71.0, 75.0), (55.0, 60.0, 58.0)


def run(arm: str, draw: int, emb: float, conv: float = 0.0, **metrics: float) -> dict[str, Any]:
    layers = {"emb": emb, "fc": emb - 1, "conv": conv}
    features = {name: {"test": {"recall_at_1": value}} for name, value in ({"embedding": emb} | layers).items()}
    selected = {"step": 300, "not_converged": False, "test": look(emb, **metrics)}
    selected["further"] = {"all_to_all": {"features": features if conv else {}}}
    return record(arm, draw, emb, seed=draw, selected=selected)


RUNS = [run("sgml", d, *v, attribute_map=80.0 + d) for d, v in enumerate(zip(EMB, CONV, strict=True))]
RUNS += [run("multitask", d, v) for d, v in enumerate(PLAIN)]


def test_layers_of_one_network() -> None:
    assert granularity.by_layer(RUNS, "sgml")["conv"] == dict(enumerate(CONV))
    arms = [GLYPHS.arm("sgml"), GLYPHS.arm("sgml-attached")]
    table = granularity.layer_table(arms, RUNS, {"CUB": {"sgml": 71.9}})
    assert table["CUB"].tolist() == [71.9, pytest.approx(np.nan, nan_ok=True)]
    assert table["draws"].tolist() == ["3 of 10", "0 of 10"]
    assert [table.loc[0, f"{layer}, R@1 %"].split()[0] for layer in ("Emb", "FC", "Conv")] == ["62.0", "61.0", "72.0"]
    assert table.loc[0, "attribute mAP %"].startswith("81.0")
    assert table.loc[1, "Conv, R@1 %"] == "not run" and table.loc[1, "attribute mAP %"] == ""


def test_effects_take_the_wider_interval_and_layers() -> None:
    pairs = {"SGML": ("sgml", "multitask"), "layer": ("sgml/conv", "sgml"), "none": ("sgml", "sgml-attached")}
    found = granularity.effects(pairs, {"glyphs": RUNS}, {"SGML": 4.2}).set_index("compared")
    gaps, layers = np.subtract(EMB, PLAIN), np.subtract(CONV, EMB)
    assert found.loc["SGML", "mean"] == pytest.approx(gaps.mean(), abs=0.06)  # hits of whole queries
    assert found.loc["layer", "mean"] == pytest.approx(layers.mean(), abs=0.06)
    half = 4.302653 * layers.std(ddof=1) / np.sqrt(3)  # t(2) at 97.5 %
    assert found.loc["layer", "low"] == pytest.approx(layers.mean() - half, abs=0.1)
    assert found.loc["SGML", "low"] <= gaps.mean() - 4.302653 * gaps.std(ddof=1) / np.sqrt(3) + 0.1
    assert found.loc["none", "draws"] == 0 and np.isnan(found.loc["none", "mean"])
    assert found["published"].tolist()[0] == 4.2 and found["published"].isna().tolist()[1:] == [True, True]


def test_stars_are_what_is_published_and_stand_without_runs_too() -> None:
    pairs = {"SGML": ("sgml", "multitask"), "layer": ("sgml/conv", "sgml")}
    for runs in (RUNS, []):
        table = granularity.effects(pairs, {"birds": [], "glyphs": runs}, {"SGML": 4.2})
        (axes,) = controlled.side_by_side(table, "points").axes
        (stars,) = [line for line in axes.lines if line.get_marker() == "*"]
        assert set(stars.get_xdata()) == {4.2} and set(stars.get_ydata()) == {1}
    none = granularity.effects(pairs, {"glyphs": []})
    assert controlled.side_by_side(none, "points").axes[0].texts[0].get_text() == "not run"


def test_surface_and_constants() -> None:
    table = granularity.surface_table(RUNS, {(2.0, 0.5): "sgml", (3.0, 0.5): "multitask", (3.0, 0.1): "sgml-attached"})
    assert table.loc[2.0, 0.5] == pytest.approx(np.mean(EMB)) and np.isnan(table.loc[3.0, 0.1])
    figure = granularity.surfaces({"birds": table * np.nan, "glyphs": table})
    assert sorted(text.get_text() for text in figure.axes[1].texts) == ["-", "-", "57.7", "62.0"]
    assert {text.get_text() for text in figure.axes[0].texts} == {"-"}
    assert "not run" in granularity.surfaces({"glyphs": table * np.nan}).axes[0].texts[0].get_text()
    own = (0.9, dict(enumerate(EMB)))
    (axes,) = granularity.constants({0.0: dict(enumerate(PLAIN)), 1.0: {}}, own).axes
    line, diamond = axes.lines
    assert (line.get_xdata().tolist(), diamond.get_xdata().tolist()) == ([0.0], [0.9])
    assert diamond.get_ydata()[0] == pytest.approx(np.mean(EMB))
    assert granularity.constants({0.0: {}}, None).axes[0].texts[0].get_text() == "not run"


def test_bands_lie_between_their_losses() -> None:
    s = np.linspace(-1, 1, 5)
    soft = {"positive": (2 - s, 1 - s), "negative": (2 + s, 1 + s)}
    slopes = {kind: (np.array([0.0, 1.0]), np.array([1.0, 0.5])) for kind in soft}
    figure = granularity.bands(s, {"alpha 2": {kind: losses[0] for kind, losses in soft.items()}}, soft, slopes)
    left, middle, right = figure.axes
    assert [to_hex(line.get_color()) for line in left.lines] == [BLUE, ROSE]
    low, high = (end(path.vertices[:, 1]) for path in middle.collections[0].get_paths() for end in (min, max))
    assert (low, high) == (0.0, 3.0)
    assert {text.get_text() for text in right.get_legend().get_texts()} == {"positive pair", "negative pair"}


def test_what_was_predicted_wrongly_stands_below_what_is_there() -> None:
    store = SimpleNamespace(images=np.zeros((4, 8, 8, 3), np.uint8), labels=np.array([0, 0, 1, 1]))
    names = ("script latin", "case small", "above ring above", "bold")
    known = Attributes(names, np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]], bool))
    told = {i: known.present[i].astype(float) for i in range(4)}
    told[1] = np.array([0.4, 0.6, 0.6, 0.0])
    figure = granularity.told(store, np.array([0]), np.array([[1, 2]]), told, known)
    assert [axes.texts[0].get_text() for axes in figure.axes] == [
        "query latin, small, ring\nabove, bold",
        "+ latin\nmissed latin\nnot small\n...",
        "- none",
    ]
    frames = [to_hex(axes.spines["top"].get_edgecolor()) for axes in figure.axes[1:]]
    assert frames == [BLUE, ROSE]
