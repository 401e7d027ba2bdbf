"""Figures and tables of the controlled benchmark: parts of an object, the ladder, two benchmarks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from reproducible.data.glyphs.render import ABOVE_BIT, BASE_BIT, BELOW_BIT
from reproducible.data.store import Store
from reproducible.report.figures import AMBER, BLUE, GREY, ROSE, WIDTH, not_run, panels, styled
from reproducible.report.tables import NOT_RUN, difference, mean_interval, values_of
from reproducible.types import RunRecord

PARTS = {"base": (BASE_BIT, 1, BLUE), "mark above": (ABOVE_BIT, 2, AMBER), "mark below": (BELOW_BIT, 3, ROSE)}
"""Part -> bit of the mask, row of the boxes, colour."""


@styled
def parts(store: Store, indices: Sequence[int]) -> Figure:
    """Images with the box of each part, and below each its mask, the parts in the colours of their boxes.

    Args:
        store: with masks and boxes.
        indices: which images.
    """
    columns, side = len(indices), store.images.shape[1]
    cell, legend = WIDTH / columns, 0.3
    figure = Figure(figsize=(WIDTH, 2 * cell + legend))
    tall = 2 * cell + legend
    for column, index in enumerate(indices):
        shown = np.full((side, side, 3), 255, np.uint8)
        for bit, _, colour in PARTS.values():
            rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            shown[(store.masks[index] & bit) > 0] = rgb
        for row, picture in enumerate((store.images[index], shown)):
            box = (column / columns + 0.004, (legend + (1 - row) * cell) / tall, 0.96 / columns, 0.96 * cell / tall)
            axes = figure.add_axes(box)
            axes.imshow(picture)
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.spines[:].set(visible=row == 1, color="#cccccc")
            for _, number, colour in PARTS.values() if row == 0 else ():
                x0, y0, x1, y1 = store.boxes[index, number]
                if not np.isnan(x0):
                    frame = Rectangle(
                        (x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.6
                    )
                    axes.add_patch(frame)
    handles = [Line2D([], [], color=colour, linewidth=4, label=part) for part, (*_, colour) in PARTS.items()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))
    return figure


def ladder_table(runs: Mapping[str, tuple[Sequence[RunRecord], str]]) -> pd.DataFrame:
    """Recall@1 on unseen classes, untouched and trained, by step of a ladder, on the class draws that all steps share
    which have any: draws differ in how hard they are.

    Args:
        runs: title of the step -> records and arm.

    Returns:
        Index the titles; ``untouched``, ``untouched low``, ``untouched high`` and the same for ``trained`` (95 % t
        intervals), in per cent, and ``draws``; NaN where fewer than two draws are there.
    """
    rows, run = {}, [draws for found, arm in runs.values() if (draws := set(values_of(found, arm)))]
    shared = set.intersection(*run) if run else set()
    for title, (found, arm) in runs.items():
        row: dict[str, float] = {}
        for name, at in (("untouched", "untouched"), ("trained", "selected")):
            values = [value for draw, value in values_of(found, arm, at).items() if draw in shared]
            low, high = mean_interval(values)
            row |= {
                name: float(np.mean(values)) if len(values) > 1 else np.nan,
                f"{name} low": low,
                f"{name} high": high,
            }
        rows[title] = row | {"draws": len(shared & set(values_of(found, arm)))}
    return pd.DataFrame.from_dict(rows, orient="index")


@styled
def ladder(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Untouched and trained recall over the steps of each ladder: a panel a ladder.

    Args:
        tables: title of the ladder -> :func:`ladder_table`.
    """
    figure, axes = panels(2.7, len(tables), sharey=True, width_ratios=[len(table) for table in tables.values()])
    looks = (("trained", BLUE, "o", "-"), ("untouched", GREY, "s", "--"))
    for panel, (title, table) in zip(axes, tables.items(), strict=True):
        x = np.arange(len(table))
        for name, colour, marker, line in looks:
            reach = np.abs(table[[f"{name} low", f"{name} high"]].to_numpy().T - table[name].to_numpy())
            panel.errorbar(x, table[name], reach, color=colour, marker=marker, linestyle=line, capsize=3, label=name)
        panel.set(title=title, xticks=x, xticklabels=table.index, xlim=(-0.4, len(x) - 0.6), ylim=(0, 100))
        panel.grid(axis="x", visible=False)
    axes[0].set_ylabel("Recall@1, unseen classes (%)")
    axes[0].legend(loc="lower left")
    return figure


@styled
def side_by_side(table: pd.DataFrame, xlabel: str) -> Figure:
    """The same differences on one or two benchmarks: a row a comparison, a colour and a marker a benchmark.

    Args:
        table: columns ``compared``, ``benchmark``, ``mean``, ``low`` and ``high``; rows without a mean are left empty,
            and where there is nothing to show the figure says so. ``published``, where it is a column: what a document
            prints, a star in each row that has it.
        xlabel: quantity and unit.
    """
    printed = table.dropna(subset=["published"]) if "published" in table else table[:0]
    if table["mean"].isna().all() and printed.empty:
        return not_run(NOT_RUN)
    names = list(dict.fromkeys(table["compared"]))
    figure, (axes,) = panels(0.42 * len(names) + 1.0)
    benchmarks = list(dict.fromkeys(table["benchmark"]))
    looks = ((ROSE, "D", 0.14), (BLUE, "o", -0.14)) if len(benchmarks) > 1 else ((BLUE, "o", 0.0),)
    for benchmark, (colour, marker, shift) in zip(benchmarks, looks, strict=True):
        rows = table[table["benchmark"] == benchmark].dropna(subset=["mean"])
        y = np.array([len(names) - 1 - names.index(name) for name in rows["compared"]]) + shift
        axes.hlines(y, rows["low"], rows["high"], color=colour, linewidth=2.2, alpha=0.5)
        axes.plot(rows["mean"], y, marker, color=colour, label=benchmark)
    if not printed.empty:
        y = [len(names) - 1 - names.index(name) for name in printed["compared"]]
        axes.plot(printed["published"], y, "*", color="black", markersize=8, label="published", zorder=4)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(yticks=range(len(names)), yticklabels=names[::-1], xlabel=xlabel, ylim=(-0.6, len(names) - 0.4))
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def compared(pairs: Mapping[str, tuple[str, str]], benchmarks: Mapping[str, Sequence[RunRecord]]) -> pd.DataFrame:
    """Paired differences of Recall@1 on several benchmarks, for :func:`side_by_side`.

    Args:
        pairs: title -> treatment and control; ``untouched`` as control is the untouched network of the same runs.
        benchmarks: title -> records of the study whose arms these are.
    """
    rows = []
    for title, (treatment, control) in pairs.items():
        for benchmark, found in benchmarks.items():
            values = difference(found, treatment, control)
            low, high = mean_interval(values)
            mean = float(np.mean(values)) if len(values) > 1 else np.nan
            rows.append((title, benchmark, len(values), mean, low, high))
    return pd.DataFrame(rows, columns=["compared", "benchmark", "draws", "mean", "low", "high"])


def part_table(records: Sequence[RunRecord], arms: Mapping[str, str], metrics: Mapping[str, str]) -> pd.DataFrame:
    """Metrics of several arms, means over class draws, and the difference of the first two arms with its t interval.

    Args:
        records: of one study.
        arms: title -> arm, the treatment first, its control second; ``untouched`` is the untouched network.
        metrics: title -> name as in the records.
    """
    rows = []
    treatment, control = list(arms.values())[:2]
    for title, metric in metrics.items():
        row: dict[str, str] = {"measure, %": title}
        for name, arm in arms.items():
            at = "untouched" if arm == "untouched" else "selected"
            found = values_of(records, treatment if arm == "untouched" else arm, at, metric)
            row[name] = f"{np.mean(list(found.values())):.1f}" if found else NOT_RUN
        gaps = difference(records, treatment, control, metric)
        low, high = mean_interval(gaps)
        row["difference"] = f"{np.mean(gaps):+.1f} [{low:+.1f}, {high:+.1f}]" if len(gaps) > 1 else NOT_RUN
        rows.append(row | {"draws": f"{len(gaps)}"})
    return pd.DataFrame(rows)


@styled
def picture_rows(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> Figure:
    """Images in rows, with a title above each column.

    Args:
        rows: (S, S, 3) uint8 images, as many in each row.
        titles: of the columns.
    """
    cell, head = WIDTH / len(titles), 0.2
    height = len(rows) * cell + head
    figure = Figure(figsize=(WIDTH, height))
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            place = (
                c / len(titles) + 0.004,
                1 - (head + (r + 1) * cell) / height,
                0.95 / len(titles),
                0.95 * cell / height,
            )
            axes = figure.add_axes(place)
            axes.imshow(image)
            axes.axis("off")
            if r == 0:
                axes.set_title(titles[c], loc="center", fontsize=8)
    return figure
