"""Gates, clusters and differences on made-up records: what is drawn is what the records say."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import record
from matplotlib.colors import to_rgba
from PIL import Image
from tiny_runs import make_store, tiny_config

from reproducible.config import to_dict
from reproducible.encoding import encode_neighbours
from reproducible.evaluation.features import QUANTILES
from reproducible.report import figures, pictures, variance
from reproducible.training.sets import build_sets

STEPS = (20, 40, 60)


def run(arm: str, draw: int) -> dict[str, Any]:
    """Gates that widen with the step and move with the draw; NMI with a range of two points."""
    curve = []
    for step in STEPS:
        test = {f"gate_q{q}": 0.5 + (q - 50) / 1000 * step / 20 + draw / 100 for q in QUANTILES}
        test |= {"nmi": 60.0 + draw, "nmi_low": 59.0 + draw, "nmi_high": 61.0 + draw}
        test |= {"f1": 40.0, "f1_low": 38.0, "f1_high": 41.0, "recall_at_1": 70.0 + draw + step / 20}
        curve.append({"step": step, "test": test})
    chosen = {**curve[1], "not_converged": False}
    untouched = {"test": {"recall_at_1": 60.0}}
    return record(arm, draw, 50, seed=draw, selected=chosen, last=curve[-1], curve=curve, untouched=untouched)


RUNS = [run("margin-vem", draw) for draw in range(3)]


def pixels(figure: figures.Figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figures.show(figure).data)).convert("RGB"))


def test_gates_are_means_over_draws() -> None:
    table = variance.gate_table(RUNS, "margin-vem")
    assert list(table.index) == list(STEPS)
    assert table[50].tolist() == pytest.approx([0.51, 0.51, 0.51])
    assert table[100].tolist() == pytest.approx([0.56, 0.61, 0.66])
    figure = variance.gates({"groceries": table, "glyphs": variance.gate_table(RUNS, "margin")})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["groceries"]
    (median,) = (line for line in figure.axes[0].lines if line.get_label() == "median")
    assert median.get_ydata().tolist() == pytest.approx([0.51, 0.51, 0.51])
    assert (pixels(figure) < 200).any()


def test_clusters_begin_with_training_and_recall_before_it() -> None:
    table = variance.cluster_table(RUNS, "margin-vem")
    assert table["recall_at_1"].tolist() == pytest.approx([60, 72, 73, 74])
    assert table["nmi"].tolist()[1:] == pytest.approx([61, 61, 61])
    assert np.isnan(table["nmi"].iloc[0])
    (axes,) = variance.clusters({"VEM": table}).axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert lines["NMI"] == pytest.approx([61, 61, 61])
    assert lines["Recall@1"] == pytest.approx([60, 72, 73, 74])


def test_what_was_not_run_says_so() -> None:
    for figure in (
        variance.gates({"a": variance.gate_table([], "margin-vem")}),
        variance.clusters({"a": variance.cluster_table([], "margin-vem")}),
    ):
        assert {text.get_text() for text in figure.axes[0].texts} == {"not run"}
    table = variance.measure_table({"NMI": ("margin", "selected", "nmi")}, {"groceries": RUNS})
    assert table["groceries"].tolist() == ["not run"]


def test_measures_are_means_with_intervals() -> None:
    table = variance.measure_table({"NMI": ("margin-vem", "selected", "nmi")}, {"groceries": RUNS, "glyphs": []})
    assert table.iloc[0].tolist() == ["NMI", "61.0 [58.5, 63.5]", "not run"]


def test_map_shows_every_image_at_its_place() -> None:
    images = np.full((3, 8, 8, 3), 90, np.uint8)
    store = SimpleNamespace(images=images, labels=np.array([0, 0, 1]))
    figure = variance.scattered(store, np.arange(3), np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]))
    corners = [axes.get_position().p0 for axes in figure.axes]
    side = 1 - max(x for x, _ in corners)
    expected = [(0, 0), (1 / 3 * (1 - side), 1 - side), (1 - side, 0.5 * (1 - side))]
    np.testing.assert_allclose(corners, expected, atol=1e-6)
    frames = [axes.spines["left"].get_edgecolor() for axes in figure.axes]
    assert frames[0] == frames[1] != frames[2]


def test_gallery_shows_what_the_record_found() -> None:
    """Numbers of a record are places in its gallery; what is of the query's class is framed in blue."""
    store, config = make_store(), tiny_config()
    queries, gallery = build_sets(config, store).evaluation["test"]
    same = store.labels[queries][:, None] == store.labels[gallery]
    ids = np.argsort(~same, axis=1, kind="stable")[:, :8]  # those of the class first ...
    ids[2] = ids[2, ::-1]  # ... but for one query
    kept = {"neighbours": encode_neighbours(ids, same.sum(axis=1)), "not_converged": False, "test": {}}
    found = record("margin-vem", 0, 50, config=to_dict(config, sparse=True), selected=kept, gallery=[[0, 0, 1]])
    assert (pictures.recorded_neighbours(store, found)[:, :8] == ids).all()
    figure = pictures.found_by(store, found, np.array([0, 2]))
    frames = [axes.spines["left"].get_edgecolor() for axes in figure.axes]
    shown = [axes.images[0].get_array() for axes in figure.axes]
    relevant = store.labels[gallery[ids[[0, 2], :4]]] == store.labels[queries[[0, 2]]][:, None]
    assert len(frames) == 10
    for row in range(2):
        assert (shown[5 * row] == store.images[queries[[0, 2][row]]]).all()
        for column in range(4):
            assert (shown[5 * row + column + 1] == store.images[gallery[ids[[0, 2][row], column]]]).all()
            colour = figures.BLUE if relevant[row, column] else figures.ROSE
            assert frames[5 * row + column + 1] == to_rgba(colour)
    assert relevant[0].any() and not relevant[1].all()
