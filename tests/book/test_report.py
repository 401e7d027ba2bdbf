"""The figures of the pages build from made-up records, at the one width, and say what has not been run."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import record
from PIL import Image

from reproducible.data.splits import Split
from reproducible.report import figures, pictures

ARMS = {"u512": "U", "u512-lact-tuned": "U + L"}
WIDE = round(figures.WIDTH * figures.DPI)


@pytest.fixture(scope="module")
def store() -> SimpleNamespace:
    """Twelve classes of four photographs a part, each class in a colour of its own."""
    labels = np.repeat(np.arange(12), 8)
    images = np.zeros((96, 16, 16, 3), np.uint8)
    images[..., 0] = (20 * labels)[:, None, None]
    names = tuple(f"A-Class-With-A-Rather-Long-Name-{c}" for c in range(12))
    parts = np.tile(["train"] * 4 + ["test"] * 4, 12)
    return SimpleNamespace(images=images, labels=labels, parts=parts, class_names=names)


def with_curve(arm: str, draw: int, seed: int) -> dict[str, object]:
    """A run whose seen classes rise and whose unseen ones rise and fall; the draw shows in the level."""
    levels = {"seen": (70, 85, 95), "validation": (75, 80, 78), "test": (70, 76, 74)}
    curve = [
        {"step": 100 * n, **{role: {"recall_at_1": float(v[n - 1] + draw + seed)} for role, v in levels.items()}}
        for n in (1, 2, 3)
    ]
    untouched = {role: {"recall_at_1": 60.0 + draw} for role in levels}
    points = {
        "selected": {**curve[1], "not_converged": False},
        "last": curve[2],
        "curve": curve,
        "untouched": untouched,
    }
    return record(arm, draw, 50, seed=seed, **points)


@pytest.fixture(scope="module")
def runs() -> list[dict[str, object]]:
    return [with_curve(arm, d, d) for arm in ARMS for d in range(3)] + [with_curve("u512", 0, s) for s in (1, 2)]


def shown(figure: figures.Figure, photographs: bool = False) -> np.ndarray:
    """The pixels that a page gets; checks the width and that something was drawn."""
    image = np.asarray(Image.open(io.BytesIO(figures.show(figure, photographs).data)).convert("RGB"))
    assert image.shape[1] == WIDE
    assert (image < 200).any()
    return image


def words(figure: figures.Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_curve_table_takes_each_draw_once_and_starts_untouched(runs: list) -> None:
    table = figures.curve_table(runs, "u512")
    test = table[table.role == "test"].pivot(index="step", columns="draw", values="value")
    assert test.to_dict("list") == {0: [60, 70, 76, 74], 1: [61, 72, 78, 76], 2: [62, 74, 80, 78]}
    assert sorted(table.role.unique()) == ["seen", "test", "validation"]
    assert figures.curve_table(runs, "u64").empty


def test_curves_draw_their_mean_and_say_what_is_missing(runs: list) -> None:
    figure = figures.curves({"U": figures.curve_table(runs, "u512"), "U64": figures.curve_table(runs, "u64")})
    shown(figure)
    left, right = figure.axes
    means = [line.get_ydata().tolist() for line in left.lines if line.get_linewidth() > 1]
    assert [61, 72, 78, 76] in means
    assert not right.lines and "not run" in words(figure)


def test_curves_average_only_steps_that_every_draw_has(runs: list) -> None:
    runs = [
        {**r, "curve": [*r["curve"], *([{"step": 250, "test": {"recall_at_1": 0.0}}] if r["draw"] == 1 else [])]}
        for r in runs
    ]
    (axes,) = figures.curves({"U": figures.curve_table(runs, "u512")}).axes
    means = [line.get_xdata().tolist() for line in axes.lines if line.get_linewidth() > 1]
    assert means == [[0, 100, 200, 300]] * 3


def test_checkpoints(runs: list) -> None:
    values = {"U": {"last": {0: 70.0, 1: 72.0}, "selected": {0: 74.0, 1: 75.0}, "peak": {0: 76.0, 1: 75.0}}, "none": {}}
    figure = figures.checkpoints(values)
    shown(figure)
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [71.0, 74.5, 75.5]
    assert figure.axes[0].get_xticklabels()[0].get_text() == "last"
    assert "not run" in words(figure)


def test_noise_floor() -> None:
    table = pd.DataFrame({"paired": [4.0, 2.0, 1.0], "unpaired": [8.0, 4.0, 2.0]}, index=[2, 5, 20])
    figure = figures.noise_floor({0: 70.0, 1: 76.0, 2: 73.0}, {0: 70.0, 1: 70.5}, table)
    shown(figure)
    assert {"0", "1", "2"} <= words(figure)
    assert figure.axes[1].lines[0].get_ydata().tolist() == [4.0, 2.0, 1.0]


def test_not_run_says_what() -> None:
    figure = figures.not_run("not run (3 of 10 runs)")
    shown(figure)
    assert words(figure) == {"not run (3 of 10 runs)"}


def test_class_roles() -> None:
    kinds, coarse = ["fruit"] * 3 + ["carton"] * 3, [0, 0, 1, 2, 2, 2]
    figure = figures.class_roles({"canonical": Split((0, 1), (2,), (3, 4, 5))}, kinds, coarse)
    shown(figure)
    (axes,) = figure.axes
    assert axes.images[0].get_array().tolist() == [[0, 0, 1, 2, 2, 2]]
    assert {"fruit", "carton"} <= words(figure)


def test_plots_of_finished_numbers() -> None:
    stages = pd.DataFrame(
        {
            "channels": [192, 480],
            "recall_at_1": [50.0, 60.0],
            "low": [45.0, 52.0],
            "high": [56.0, 66.0],
            "map_at_r": [20.0, 25.0],
        },
        index=["conv2", "pool3"],
    )
    shown(figures.recall_by_stage(stages))
    shown(figures.recall_at_k(pd.DataFrame([[60.0, 90.0], [40.0, 80.0]], index=["a", "b"], columns=[1, 8])))
    dots = pd.DataFrame({"value": [60.0, 55.0], "low": [50.0, 45.0], "high": [70.0, 66.0]}, index=["all", "some"])
    shown(figures.with_intervals(dots, "Recall@1 (%)"))
    shown(figures.nearest_cosines({"within": np.array([0.9, 0.8]), "across": np.array([0.7, 0.6])}, 0.87))
    shown(figures.coverage(pd.DataFrame({"t": [95.0, 80.0]}, index=[0, 8])))


def test_contact_rows_names_each_class_and_its_role(store: SimpleNamespace) -> None:
    figure = pictures.contact_rows(store, {3: "train", 0: "test"}, {"train": 3, "test": 2}, seed=0)
    image = shown(figure, photographs=True)
    assert {"3, train", "0, test", "train", "test"} <= words(figure)
    assert len(image) < WIDE


def test_neighbours_mark_what_is_of_the_class_of_the_query(store: SimpleNamespace) -> None:
    figure = pictures.neighbours(store, np.array([8]), np.array([[9, 0, 16]]), np.array([[0.91, 0.82, 0.7]]))
    shown(figure, photographs=True)
    notes = [text.get_text().split("\n")[0] for axes in figure.axes for text in axes.texts]
    assert notes == ["query", "1: 0.91 +", "2: 0.82 -", "3: 0.70 -"]


def test_grid_has_a_title_a_row(store: SimpleNamespace) -> None:
    figure = pictures.grid(store, np.array([[0, 1], [8, 9]]), [["a", "b"]] * 2, [[None, None]] * 2, ["first", "second"])
    shown(figure, photographs=True)
    assert [text.get_text() for text in figure.texts] == ["first", "second"]
