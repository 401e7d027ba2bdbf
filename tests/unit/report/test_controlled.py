"""Figures and tables of the controlled page: numbers are the records', what is missing says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import look, record
from matplotlib.colors import to_hex

from reproducible.report import controlled, tables
from reproducible.report.figures import AMBER, BLUE, ROSE
from reproducible.studies import study

U512 = [60.0, 64.0, 62.0]
PRINTED = [62.0, 65.0, 66.0]


def made(arm: str, draw: int, value: float, seed: int | None = None, **metrics: float) -> dict[str, Any]:
    selected = {"step": 300, "not_converged": False, "test": look(value, **metrics)}
    return record(arm, draw, value, seed=draw if seed is None else seed, selected=selected)


@pytest.fixture
def runs() -> list[dict[str, Any]]:
    both = (("u512", U512), ("u512-lact-printed", PRINTED))
    return [made(arm, draw, v, probe_above=v + draw) for arm, values in both for draw, v in enumerate(values)]


def test_difference_is_paired_by_draw(runs: list[dict[str, Any]]) -> None:
    assert tables.difference(runs, "u512-lact-printed", "u512") == [2.0, 1.0, 4.0]
    assert tables.difference(runs, "u512", "untouched") == [40.0, 44.0, 42.0]
    assert tables.difference(runs[1:], "u512-lact-printed", "u512") == [1.0, 4.0]  # draw 0 lacks its control


def test_compared_rows(runs: list[dict[str, Any]]) -> None:
    pairs = {"printed": ("u512-lact-printed", "u512"), "tuned": ("u512-lact-tuned", "u512")}
    found = controlled.compared(pairs, {"glyphs": runs, "photographs": runs[:4]}).set_index(["compared", "benchmark"])
    row = found.loc["printed", "glyphs"]
    half = 4.302653 * np.std([2, 1, 4], ddof=1) / np.sqrt(3)  # t(2) at 97.5 %
    assert row["mean"] == pytest.approx(7 / 3)
    assert (row["low"], row["high"]) == pytest.approx((7 / 3 - half, 7 / 3 + half), abs=1e-5)
    assert found.loc["printed", "photographs"].draws == 1
    assert found["mean"].isna().tolist() == [False, True, True, True]


def test_ladder_table_and_its_panels(runs: list[dict[str, Any]]) -> None:
    table = controlled.ladder_table({"step": (runs, "u512"), "none": (runs, "u64")})
    assert table.loc["step", ["untouched", "trained", "draws"]].tolist() == [20.0, 62.0, 3.0]
    assert table.loc["step", "trained low"] == pytest.approx(62 - 4.302653 * 2 / np.sqrt(3), abs=1e-4)
    assert np.isnan(table.loc["none", "trained"])
    fewer = controlled.ladder_table({"step": (runs, "u512"), "two": ([r for r in runs if r["draw"] > 0], "u512")})
    assert fewer["draws"].tolist() == [2, 2]  # the first draw is left out of both
    assert fewer.loc["step", "trained"] == fewer.loc["two", "trained"] == 63
    one = controlled.ladder_table({"step": (runs, "u512"), "one": (runs[:1], "u512")})
    assert one["trained"].isna().all()
    figure = controlled.ladder({"clutter": table, "occlusion": table})
    trained, untouched = (
        next(c for c in figure.axes[0].containers if c.get_label() == name) for name in ("trained", "untouched")
    )
    assert trained[0].get_ydata()[0] == 62.0
    assert untouched[0].get_ydata()[0] == 20.0


def test_side_by_side_marks_only_what_was_run() -> None:
    table = pd.DataFrame(
        [("a", "x", 1.0, 0.0, 2.0), ("a", "y", np.nan, np.nan, np.nan), ("b", "x", -1.0, -2.0, 0.0)],
        columns=["compared", "benchmark", "mean", "low", "high"],
    )
    (axes,) = controlled.side_by_side(table, "points").axes
    drawn = {line.get_label(): line.get_xdata().tolist() for line in axes.lines if line.get_label() in ("x", "y")}
    assert drawn == {"x": [1.0, -1.0], "y": []}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    (alone,) = controlled.side_by_side(table[table["benchmark"] == "x"], "points").axes
    assert [line.get_ydata().tolist() for line in alone.lines if line.get_label() == "x"] == [[1.0, 0.0]]
    (empty,) = controlled.side_by_side(table[table["benchmark"] == "y"], "points").axes
    assert [text.get_text() for text in empty.texts] == ["not run"]


def test_part_table(runs: list[dict[str, Any]]) -> None:
    arms = {"printed": "u512-lact-printed", "without": "u512", "untouched": "untouched"}
    found = controlled.part_table(runs, arms, {"R@1": "recall_at_1", "probe": "probe_above", "else": "probe_base"})
    found = found.set_index("measure, %")
    assert found.loc["R@1", ["printed", "without", "untouched"]].tolist() == ["64.3", "62.0", "20.0"]
    assert found.loc["R@1", "difference"] == "+2.3 [-1.5, +6.1]"
    assert found.loc["probe", ["printed", "without", "untouched"]].tolist() == ["65.3", "63.0", tables.NOT_RUN]
    assert set(found.loc["else"].iloc[:-1]) == {tables.NOT_RUN}


def test_noise_waits_for_every_run() -> None:
    arm = replace(study("glyph_baseline").arm("u512"), draws=3, extra_seeds=2)
    seeds = [made("u512", 0, v, seed=s) for s, v in ((1, 61.0), (2, 59.0))]
    found = [made("u512", d, v) for d, v in enumerate(U512)] + seeds
    assert tables.noise(found[:-1], arm, "u512-lact-printed") is None
    noise = tables.noise(found, arm, "u512-lact-printed")
    assert noise.draws == {0: 60.0, 1: 64.0, 2: 62.0}
    assert noise.seeds == {0: 60.0, 1: 61.0, 2: 59.0}
    assert list(noise.detectable) == ["different draws", "training noise alone"]
    assert (noise.detectable["different draws"] / noise.detectable["training noise alone"]).tolist() == pytest.approx(
        [2.0] * 5
    )
    found += [made("u512-lact-printed", d, v) for d, v in enumerate(PRINTED)]
    assert "same draws, as measured" in tables.noise(found, arm, "u512-lact-printed").detectable


class Glyphs:
    """Two images of 8 pixels: all three parts, and a base alone."""

    images = np.zeros((2, 8, 8, 3), np.uint8)
    masks = np.zeros((2, 8, 8), np.uint8)
    boxes = np.full((2, 4, 4), np.nan, np.float32)


def test_parts_shows_boxes_and_masks_in_the_same_colours() -> None:
    store = Glyphs()
    store.masks[0, 0, :], store.masks[0, 4, :], store.masks[0, 7, :] = 2, 1, 4
    store.boxes[0, 1:] = [[0, 4, 8, 5], [0, 0, 8, 1], [0, 7, 8, 8]]
    store.masks[1, 2:4, 2:4] = 1
    store.boxes[1, 1] = [2, 2, 4, 4]
    figure = controlled.parts(store, [0, 1])
    above = [[to_hex(p.get_edgecolor()) for p in axes.patches] for axes in figure.axes[::2]]
    assert above == [[BLUE, AMBER, ROSE], [BLUE]]
    mask = figure.axes[1].images[0].get_array()
    assert [to_hex(mask[row, 3] / 255) for row in (4, 0, 7)] == [BLUE, AMBER, ROSE]
    assert (mask[2] == 255).all()


def test_picture_rows() -> None:
    rows = [[np.full((4, 4, 3), 10 * r + c, np.uint8) for c in range(3)] for r in range(2)]
    figure = controlled.picture_rows(rows, ["a", "b", "c"])
    assert [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes] == [0, 1, 2, 10, 11, 12]
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "", "", ""]
