"""Figures and tables of where attention looks, on made-up looks whose answer is known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from reproducible.data.splits import split
from reproducible.evaluation import localised as measured
from reproducible.report import figures, localised
from reproducible.report.localised import FOUND, Tile


def shown(figure: Figure) -> np.ndarray:
    """The pixels that a page gets."""
    return np.asarray(Image.open(io.BytesIO(figures.show(figure).data)).convert("RGB"))


def look(shift: float = 0.0, classes: tuple[tuple[int, int], ...] = ((0, 4), (1, 4))) -> measured.Look:
    """Two methods on the images of some classes; the second has no mass."""
    count = sum(n for _, n in classes)
    values = np.linspace(0.2, 0.6, count) + shift
    methods = {
        "walk": {"iou": values, "in_box": values, "area": np.linspace(0, 1, count)},
        "box": {"iou": values - 0.1},
    }
    graph = {"variation": np.r_[0.5, np.zeros(count - 1)], "eigenvalue": np.full(count, -0.25)}
    about = {key: "" for key in measured.KEYS[:10]} | {"look": "made", "classes": [list(c) for c in classes]}
    return measured.pack(about, {"truth": {}, "methods": methods, "graphs": {"4e": graph}})


def test_table_has_means_and_says_what_is_missing() -> None:
    table = localised.table(look(), ("walk", "box"), ("iou", "in_box"))
    assert table["box IoU"].str.split(" ").str[0].tolist() == ["40.0", "30.0"]
    assert table["mass inside the box"].tolist()[1] == ""
    assert localised.table(None, ("walk",), ("iou",)).to_numpy().tolist() == [["not run"]]


def test_intervals_span_what_classes_differ_by() -> None:
    rows = localised.intervals(look(), ("walk",), "iou")
    classes = measured.values(look(), "walk", "iou").reshape(2, 4).mean(1)
    assert rows.loc["walk", ["low", "high"]].tolist() == pytest.approx((100 * classes).tolist())


def test_gaps_are_paired() -> None:
    """The two differ by ten points on every image, so no resample says anything else."""
    (row,) = localised.gaps(look(), "walk", ["box"], "iou").to_dict("records")
    assert row == {"compared": "walk - box", "difference": "+10.0 [+10.0, +10.0]"}


def test_graph_table_counts_what_has_converged() -> None:
    (row,) = localised.graph_table({"made": look()}).to_dict("records")
    assert (row["converged, %"], row["largest variation"], row["eigenvalue, smallest"]) == ("87.5", "0.5000", "-0.25")


def test_tuned_table_pairs_the_same_classes_of_the_same_draw() -> None:
    frozen = look(classes=((0, 2), (1, 2), (2, 2), (3, 2)))
    looks = {"glyphs": frozen}
    for draw, (seen, unseen) in enumerate((((0, 1), (2, 3)), ((0, 2), (1, 3)))):
        for images, classes in (("seen", seen), ("unseen", unseen)):
            looks[f"glyphs-tuned-{draw}-{images}"] = look(0.3, tuple((c, 2) for c in classes))
    (row,) = localised.tuned_table(looks, ("walk",), ("iou",)).to_dict("records")
    by_class = 100 * measured.values(frozen, "walk", "iou").reshape(4, 2).mean(1)
    seen = [by_class[[0, 1]].mean(), by_class[[0, 2]].mean()]
    assert row["frozen, seen"].startswith(f"{np.mean(seen):.1f} [")
    assert row["fine-tuned, unseen"] == "70.0 [70.0, 70.0]"
    assert row["draws"] == "2"
    assert localised.tuned_table({"glyphs": frozen}, ("walk",), ("iou",)).to_numpy().tolist() == [["not run"]]


def test_elsewhere_table_has_the_change_by_fine_tuning() -> None:
    looks = {"far": look(), "far-tuned-0": look(0.1), "far-tuned-1": look(0.2), "near-tuned-0": look(0.3)}
    walk, _, box = localised.elsewhere_table(looks, "far", ("walk", "box"), ("iou", "in_box")).to_dict("records")
    assert (walk["frozen"], walk["draws"], box["frozen"]) == ("40.0", "2", "30.0")
    assert walk["fine-tuned"].startswith("55.0 [")
    assert walk["difference"].startswith("15.0 [")
    assert localised.elsewhere_table({"far": look()}, "far", (), ()).to_numpy().tolist() == [["not run"]]


def test_degenerate_table() -> None:
    made = {"made": {**look(), "methods": {"object attention": look()["methods"]["walk"]}}}
    (row,) = localised.degenerate_table(made).to_dict("records")
    assert row["degenerate, %"] == "25.0 [25.0, 25.0]"  # 0 and 1 of eight steps from 0 to 1
    assert row["training classes, %"] == ""  # a look that is not split by class draws


def test_degenerate_maps_are_split_as_the_class_draws_are() -> None:
    looks = measured.load()
    rows = localised.degenerate_table({name: looks[name] for name in ("caltech-224", "groceries-160")})
    whole, halves = rows.to_dict("records")
    assert whole["test classes, %"] == ""
    flawed = measured.degenerate(measured.values(looks["groceries-160"], "object attention", "area"))
    shares = []
    for draw in range(5):
        drawn = split("groceries", "half", draw)
        of = (np.isin(measured.labels(looks["groceries-160"]), half) for half in (drawn.train, drawn.test))
        shares.append([100 * flawed[images].mean() for images in of])
    seen, unseen = np.mean(shares, axis=0)
    assert halves["training classes, %"].startswith(f"{seen:.1f} [")
    assert halves["test classes, %"].startswith(f"{unseen:.1f} [")
    assert halves["test less training"].startswith(f"{unseen - seen:.1f} [")


def test_tiles_lay_map_and_box_where_they_belong() -> None:
    grey = np.full((40, 40, 3), 128, np.uint8)
    heat = np.zeros((2, 2))
    heat[0, 1] = 1
    figure = localised.tiles(
        [[Tile(grey, heat, {FOUND: (10, 10, 30, 30)}, "note"), Tile(grey)]], ("one", "two"), ("row",)
    )
    left, right = figure.axes
    assert left.get_title(loc="center") == "one"
    assert left.patches[0].get_bbox().bounds == (10, 10, 20, 20)
    assert not right.patches
    assert len(left.images) == 2 and len(right.images) == 1
    assert shown(figure).shape[1] == round(figures.WIDTH * figures.DPI)
    assert left.images[1].get_extent() == [0, 40, 40, 0]


def test_other_figures_draw_what_they_are_given() -> None:
    maps = localised.small_maps({"a": [np.ones((3, 3)), np.eye(3)]}, ("T = 0", "T = 1"))
    assert [text.get_text() for text in maps.axes[1].texts][:3] == ["1.00", "0.00", "0.00"]
    shown(maps)
    lines = localised.convergence({"5b": np.full((2, 5), 0.1)}, {"tight": np.linspace(0, 1, 5)}, 0.2)
    assert [line.get_ydata()[0] for line in lines.axes[0].lines[:2]] == [0.1, 0.1]
    shown(lines)
    panels = localised.side_by_side({"224 px": look(), "160 px": look(0.1)}, ("walk", "box"), ("iou", "in_box"))
    assert panels.axes[0].lines[0].get_xdata() == pytest.approx([40, 30], abs=0.1)
    assert np.isnan(panels.axes[1].lines[0].get_xdata()[1])
    shown(panels)
