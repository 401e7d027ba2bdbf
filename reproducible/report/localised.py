"""Figures and tables of where attention looks: heatmaps with boxes, convergence, methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reproducible.evaluation import localised
from reproducible.report.figures import AMBER, BLUE, GREY, ROSE, WIDTH, panels, styled
from reproducible.report.tables import NOT_RUN, spread

FOUND, WANTED = "#ffd23f", "#4be3c1"  # of boxes: bright, on any photograph
QUANTITIES = {
    "iou": "box IoU",
    "in_box": "mass inside the box",
    "in_object": "mass on the object",
    "scaled_in_object": "on the object, scaled",
    "hit": "pointing game",
    "area": "area of the box",
}
"""What ``evaluation/locating.py`` measures, as tables call it."""


@dataclass(frozen=True)
class Tile:
    """One picture of a figure.

    Attributes:
        image: (S, S, 3) uint8.
        heat: (h, w) map laid over it, of any range; None: none.
        boxes: colour -> x0, y0, x1, y1 in pixels of the image.
        note: words below.
        limits: of the map's colours; None: its own least and largest value.
        opacity: of the map; 1: it alone is seen, cell by cell.
    """

    image: np.ndarray
    heat: np.ndarray | None = None
    boxes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    note: str = ""
    limits: tuple[float, float] | None = None
    opacity: float = 0.65


@styled
def tiles(rows: Sequence[Sequence[Tile]], titles: Sequence[str] = (), names: Sequence[str] = ()) -> Figure:
    """Pictures in rows.

    Args:
        rows: as many in each.
        titles: above each column.
        names: at the left of each row.
    """
    columns = len(rows[0])
    left = 0.75 if names else 0.0
    cell, head = (WIDTH - left) / columns, 0.24 if titles else 0.02
    note = 0.17 if any(tile.note for row in rows for tile in row) else 0.0
    height = head + len(rows) * (cell + note)
    figure = Figure(figsize=(WIDTH, height))
    for r, row in enumerate(rows):
        bottom = height - head - (r + 1) * (cell + note) + note
        for c, tile in enumerate(row):
            place = ((left + (c + 0.02) * cell) / WIDTH, (bottom + 0.02 * cell) / height)
            axes = figure.add_axes((*place, 0.96 * cell / WIDTH, 0.96 * cell / height))
            side = tile.image.shape[0]
            axes.imshow(tile.image, extent=(0, side, side, 0))
            if tile.heat is not None:
                low, high = tile.limits or (tile.heat.min(), tile.heat.max())
                scaled = (tile.heat - low) / (high - low or 1)
                laid = {"cmap": "inferno", "vmin": 0, "vmax": 1, "alpha": tile.opacity}
                smoothing = "nearest" if tile.opacity == 1 else "bilinear"
                axes.imshow(scaled, extent=(0, side, side, 0), interpolation=smoothing, **laid)
            for colour, (x0, y0, x1, y1) in tile.boxes.items():
                frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.8)
                axes.add_patch(frame)
            axes.set(xlim=(-1, side + 1), ylim=(side + 1, -1))
            axes.axis("off")
            if r == 0 and titles:
                axes.set_title(titles[c], loc="center", fontsize=7.5, pad=3)
            axes.text(0.5, -0.02, tile.note, ha="center", va="top", fontsize=6.5, transform=axes.transAxes)
        if names:
            figure.text(
                (left - 0.06) / WIDTH, (bottom + cell / 2) / height, names[r], ha="right", va="center", fontsize=7
            )
    return figure


@styled
def small_maps(maps: Mapping[str, Sequence[np.ndarray]], titles: Sequence[str]) -> Figure:
    """Maps of a few cells with the value in each, one colour scale for all: a row a name.

    Args:
        maps: name of the row -> maps, as many as titles.
        titles: above the columns.
    """
    left, head = 1.35, 0.24
    cell = (WIDTH - left) / len(titles)
    height = head + len(maps) * cell
    figure = Figure(figsize=(WIDTH, height))
    low, high = (
        pick([m.min() if pick is min else m.max() for row in maps.values() for m in row]) for pick in (min, max)
    )
    for r, (name, row) in enumerate(maps.items()):
        bottom = height - head - (r + 1) * cell
        for c, values in enumerate(row):
            place = ((left + (c + 0.03) * cell) / WIDTH, (bottom + 0.03 * cell) / height)
            axes = figure.add_axes((*place, 0.94 * cell / WIDTH, 0.94 * cell / height))
            axes.imshow(values, cmap="inferno", vmin=low, vmax=high)
            for (y, x), value in np.ndenumerate(values):
                colour = "white" if value < (low + high) / 2 else "black"
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
            axes.axis("off")
            if r == 0:
                axes.set_title(titles[c], loc="center", pad=3)
        figure.text((left - 0.08) / WIDTH, (bottom + cell / 2) / height, name, ha="right", va="center", fontsize=8)
    return figure


@styled
def convergence(variations: Mapping[str, np.ndarray], masses: Mapping[str, np.ndarray], area: float) -> Figure:
    """Left: total variation to the stationary vector by step. Right: mass on the object by step, two tight clusters.

    Args:
        variations: name -> (images, steps + 1), from step 0.
        masses: name -> (steps + 1,), from step 0.
        area: share of the map that the object takes.
    """
    figure, (left, right) = panels(2.9, 2)
    looks = zip(variations.items(), ((BLUE, "-"), (ROSE, "-"), (AMBER, "--")), strict=False)
    for (name, values), (colour, line) in looks:
        steps = np.arange(values.shape[1])
        for row in values:
            left.plot(steps, np.maximum(row, 1e-9), line, color=colour, linewidth=0.7, alpha=0.7)
        left.plot([], [], line, color=colour, label=name)
    left.axhline(0.01, color=GREY, linewidth=1, linestyle=":")
    left.axvline(10, color=GREY, linewidth=1, linestyle=":")
    left.set(
        yscale="log", ylim=(1e-7, 1), xlabel="T", ylabel="total variation to the stationary vector", title="photographs"
    )
    left.legend(loc="upper right", fontsize=7)
    looks = zip(masses.items(), ((BLUE, "o-"), (ROSE, "D-"), (AMBER, "s-")), strict=False)
    for (name, values), (colour, line) in looks:
        right.plot(np.arange(len(values)), values, line, color=colour, markersize=3, linewidth=1, label=name)
    right.axhline(area, color=GREY, linewidth=1)
    right.annotate(
        "area", (len(values) - 1, area), (2, 3), textcoords="offset points", color=GREY, ha="right", fontsize=7
    )
    right.axvline(10, color=GREY, linewidth=1, linestyle=":")
    right.set(xlabel="T", ylabel="mass on the object", ylim=(0, 1.08), title="two tight clusters")
    right.legend(loc="upper center", fontsize=7, ncols=len(masses))
    return figure


def intervals(look: localised.Look, methods: Sequence[str], quantity: str) -> pd.DataFrame:
    """Mean over images and 95 % bootstrap interval over classes of each method, in per cent.

    Returns:
        Index the methods; columns ``value``, ``low``, ``high``; NaN where a method does not have the quantity.
    """
    classes, rows = localised.labels(look), {}
    for name in methods:
        if quantity in look["methods"][name]:
            values = 100 * localised.values(look, name, quantity)
            low, high = localised.class_interval(values, classes)
            rows[name] = (values.mean(), low, high)
        else:
            rows[name] = (np.nan, np.nan, np.nan)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])


def table(look: localised.Look | None, methods: Sequence[str], quantities: Sequence[str]) -> pd.DataFrame:
    """Methods in rows, quantities in columns: mean with interval in per cent; one row that says so without a look."""
    if look is None:
        return pd.DataFrame([{"method": NOT_RUN}])
    found = {"method": list(methods)}
    for quantity in quantities:
        rows = intervals(look, methods, quantity).itertuples()
        found[QUANTITIES[quantity]] = [
            "" if np.isnan(r.value) else f"{r.value:.1f} [{r.low:.1f}, {r.high:.1f}]" for r in rows
        ]
    return pd.DataFrame(found)


@styled
def side_by_side(looks: Mapping[str, localised.Look], methods: Sequence[str], quantities: Sequence[str]) -> Figure:
    """A panel a quantity, a row a method, a colour and marker a look: means with 95 % intervals over classes.

    Args:
        looks: title -> look.
        methods: rows, the first on top.
        quantities: keys of ``QUANTITIES``.
    """
    figure, axes = panels(0.3 * len(methods) + 1.0, len(quantities), sharey=True)
    y = np.arange(len(methods))[::-1]
    styles = ((BLUE, "o"), (ROSE, "D"), (AMBER, "s"))
    for panel, quantity in zip(axes, quantities, strict=True):
        for number, ((title, look), (colour, marker)) in enumerate(zip(looks.items(), styles, strict=False)):
            shift = 0.14 * (len(looks) - 1) / 2 - 0.14 * number
            rows = intervals(look, methods, quantity)
            panel.hlines(y + shift, rows["low"], rows["high"], color=colour, linewidth=2, alpha=0.5)
            panel.plot(rows["value"], y + shift, marker, color=colour, markersize=4, label=title)
        panel.set(title=QUANTITIES[quantity], xlabel="%", ylim=(-0.6, len(methods) - 0.4))
        panel.grid(axis="y", visible=False)
    axes[0].set_yticks(y, methods)
    handles, titles = axes[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside lower right", ncols=len(looks))
    return figure


def graph_table(looks: Mapping[str, localised.Look]) -> pd.DataFrame:
    """How near the walks are to their stationary vectors at T = 10: a row a look and graph.

    Returns:
        Columns in per cent (converged: total variation below 0.01) and, as they are, the smallest eigenvalues.
    """
    rows = []
    for title, look in looks.items():
        for layer in look["graphs"]:
            variation, eigenvalue = (localised.graph(look, layer, name) for name in ("variation", "eigenvalue"))
            rows.append(
                {
                    "images": title,
                    "graph": layer,
                    "count": len(variation),
                    "converged, %": f"{100 * (variation < 0.01).mean():.1f}",
                    "largest variation": f"{variation.max():.4f}",
                    "eigenvalue, median": f"{np.median(eigenvalue):.2f}",
                    "eigenvalue, smallest": f"{eigenvalue.min():.2f}",
                }
            )
    return pd.DataFrame(rows)


def gaps(look: localised.Look, method: str, others: Sequence[str], quantity: str) -> pd.DataFrame:
    """A method minus others on the same images, in points, with 95 % bootstrap intervals over classes."""
    classes, ours, rows = localised.labels(look), localised.values(look, method, quantity), []
    for other in others:
        values = 100 * (ours - localised.values(look, other, quantity))
        low, high = localised.class_interval(values, classes)
        rows.append(
            {"compared": f"{method} - {other}", "difference": f"{values.mean():+.1f} [{low:+.1f}, {high:+.1f}]"}
        )
    return pd.DataFrame(rows)


def tuned_table(looks: Mapping[str, localised.Look], methods: Sequence[str], quantities: Sequence[str]) -> pd.DataFrame:
    """Frozen and fine-tuned features on the seen and the unseen classes of the same draws of glyphs, in per cent.

    Args:
        looks: by name; those of fine-tuned networks are called ``glyphs-tuned-<draw>-<seen or unseen>``.
        methods, quantities: rows.
    """
    names = [name for name in looks if name.startswith("glyphs-tuned-")]
    if "glyphs" not in looks or not names:
        return pd.DataFrame([{"method": NOT_RUN}])
    rows = []
    for method in methods:
        for quantity in quantities:
            row: dict[str, Any] = {"method": method, "measure": QUANTITIES[quantity]}
            frozen_values = localised.values(looks["glyphs"], method, quantity)
            for images in ("seen", "unseen"):
                tuned = [looks[name] for name in names if name.endswith(f"-{images}")]
                of_draw = [np.isin(localised.labels(looks["glyphs"]), localised.labels(look)) for look in tuned]
                row[f"frozen, {images}"] = spread([100 * float(frozen_values[one].mean()) for one in of_draw])
                row[f"fine-tuned, {images}"] = spread(
                    [100 * float(localised.values(look, method, quantity).mean()) for look in tuned]
                )
            rows.append(row | {"draws": f"{len(tuned)}"})
    return pd.DataFrame(rows)


def elsewhere_table(
    looks: Mapping[str, localised.Look], frozen: str, methods: Sequence[str], quantities: Sequence[str]
) -> pd.DataFrame:
    """Frozen features, and features fine-tuned on other photographs, on the same images, in per cent.

    Args:
        looks: by name; those of fine-tuned networks are called ``<frozen>-tuned-<draw>``.
        frozen: name of the look of the frozen network.
        methods, quantities: rows.
    """
    tuned = [look for name, look in looks.items() if name.startswith(f"{frozen}-tuned-")]
    if frozen not in looks or not tuned:
        return pd.DataFrame([{"method": NOT_RUN}])
    rows = []
    for method in methods:
        for quantity in (one for one in quantities if one in looks[frozen]["methods"][method]):
            before = 100 * float(localised.values(looks[frozen], method, quantity).mean())
            after = [100 * float(localised.values(look, method, quantity).mean()) for look in tuned]
            row = {"method": method, "measure": QUANTITIES[quantity], "frozen": f"{before:.1f}"}
            row |= {"fine-tuned": spread(after), "difference": spread([value - before for value in after])}
            rows.append(row | {"draws": f"{len(tuned)}"})
    return pd.DataFrame(rows)


def degenerate_table(looks: Mapping[str, localised.Look]) -> pd.DataFrame:
    """Share of degenerate boxes of object attention by look, in per cent: of all images, and, where a frozen network
    looked at both halves of the class draws, of those that a draw trains on and of its test classes."""
    rows, halves = [], localised.frozen_records(looks)
    for name, look in looks.items():
        share = 100 * localised.degenerate(localised.values(look, "object attention", "area"))
        low, high = localised.class_interval(share, localised.labels(look))
        row = {"images": name, "count": f"{len(share)}", "degenerate, %": f"{share.mean():.1f} [{low:.1f}, {high:.1f}]"}
        study = localised.FROZEN.get(name, ("",))[0]
        tests = [r["selected"]["test"] for r in halves if (r["study"], r["arm"]) == (study, "frozen-oam")]
        of_test = [test["degenerate_map_share"] for test in tests]
        rises = [test["degenerate_map_rise"] for test in tests]
        of_seen = [of - rise for of, rise in zip(of_test, rises, strict=True)]
        split = {"training classes, %": of_seen, "test classes, %": of_test, "test less training": rises}
        rows.append(row | {title: spread(values) if tests else "" for title, values in split.items()})
    return pd.DataFrame(rows)
