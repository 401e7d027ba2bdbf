"""Plots of the pages: one width, one calm style, colours that colour-blind readers and a grey printer tell apart.

Every function takes finished numbers and returns a figure that no window or notebook holds; :func:`show` turns it into
the image that a page displays. Photographs are in :mod:`reproducible.report.pictures`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reproducible.evaluation import t_interval
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import by_draw

if TYPE_CHECKING:
    from IPython.display import Image

    from reproducible.data.splits import Split

WIDTH = 7.2  # inches, of every figure
DPI = 150
STYLE: dict[str, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8e8e8",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "savefig.facecolor": "white",
}
BLUE, AMBER, ROSE, GREY = "#2b568c", "#e0b04a", "#c4616f", "#767676"
ROLE_COLOURS = {"train": BLUE, "seen": BLUE, "validation": AMBER, "test": ROSE, "unseen": ROSE, "untouched": GREY}
CURVES = {"seen": ("seen", "-", "o"), "validation": ("validation", "--", "s"), "test": ("unseen", "-", "D")}
CHECKPOINTS = {
    "untouched": "untouched",
    "last": "last",
    "selected": "selected",
    "peak": "best on\ntest",
}

styled = matplotlib.rc_context(STYLE)


@styled
def show(figure: Figure, photographs: bool = False) -> Image:
    """The figure as the image that a page displays, always of the same width: PNG, or JPEG for photographs."""
    import PIL.Image
    from IPython.display import Image

    drawn, stream = io.BytesIO(), io.BytesIO()
    if photographs:
        small = {"quality": 70, "optimize": True, "progressive": True}
        figure.savefig(stream, format="jpeg", dpi=DPI, pil_kwargs=small)
        return Image(data=stream.getvalue(), format="jpeg")
    figure.savefig(drawn, format="png", dpi=DPI)
    # A palette makes a third of the file and differs from the drawing by less than an eye sees.
    PIL.Image.open(drawn).convert("RGB").quantize(dither=PIL.Image.Dither.NONE).save(stream, "png", optimize=True)
    return Image(data=stream.getvalue(), format="png")


@styled
def panels(height: float, columns: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    """An empty figure of the one width with panels side by side: the figure and its axes, (columns,)."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, columns, **options))


@styled
def not_run(what: str) -> Figure:
    """An empty frame that says what is missing, in the place of a figure whose runs are not there yet."""
    figure, (axes,) = panels(1.1)
    _say(axes, what)
    return figure


@styled
def class_roles(splits: Mapping[str, Split], kinds: Sequence[str], coarse: Sequence[int]) -> Figure:
    """Which role every class has in every split: a strip a split, a column a class.

    Args:
        splits: by title, the first on top.
        kinds: kind of each class, by id.
        coarse: coarse class of each class, by id; a line parts neighbours of different ones.
    """
    roles = ("train", "validation", "test")
    table = np.full((len(splits), len(kinds)), np.nan)
    for row, drawn in enumerate(splits.values()):
        for code, role in enumerate(roles):
            table[row, list(getattr(drawn, role))] = code
    figure, (axes,) = panels(0.32 * len(splits) + 1.1)
    colours = ListedColormap([ROLE_COLOURS[role] for role in roles])
    axes.imshow(table, aspect="auto", cmap=colours, interpolation="nearest", vmin=0, vmax=len(roles) - 1)
    borders = np.flatnonzero(np.diff(coarse)) + 0.5
    axes.vlines(borders, -0.5, len(splits) - 0.5, color="white", linewidth=0.8)
    axes.hlines(np.arange(1, len(splits)) - 0.5, -0.5, len(kinds) - 0.5, color="white", linewidth=3)
    axes.grid(False)
    axes.set(yticks=range(len(splits)), yticklabels=list(splits), xlabel="class id (white lines part coarse classes)")
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False)
    for kind in dict.fromkeys(kinds):
        ids = np.flatnonzero(np.asarray(kinds) == kind)
        axes.text(ids.mean(), -0.75, kind, ha="center", va="bottom")
        axes.plot([ids[0] - 0.3, ids[-1] + 0.3], [-0.65, -0.65], color="#666666", linewidth=1, clip_on=False)
    handles = [Patch(color=ROLE_COLOURS[role], label=role) for role in roles]
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
    return figure


@styled
def recall_by_stage(table: pd.DataFrame) -> Figure:
    """Recall@1 and MAP@R of the untouched network by stage.

    Args:
        table: one row a stage; columns ``channels``, and in per cent ``recall_at_1``, ``low``, ``high``, ``map_at_r``.
    """
    figure, (axes,) = panels(2.7)
    x = np.arange(len(table))
    reach = np.abs(table[["low", "high"]].to_numpy().T - table["recall_at_1"].to_numpy())
    axes.errorbar(x, table["recall_at_1"], reach, fmt="o-", color=BLUE, capsize=3, label="Recall@1, 95 % interval")
    axes.plot(x, table["map_at_r"], "s--", color=AMBER, label="MAP@R")
    labels = [f"{stage}\n{channels} channels" for stage, channels in table["channels"].items()]
    axes.set(xticks=x, xticklabels=labels, ylim=(0, None), ylabel="Recall@1, MAP@R (%)", xmargin=0.1)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


@styled
def recall_at_k(table: pd.DataFrame) -> Figure:
    """Recall@K by K, a line a protocol: one row a protocol, one column a K, in per cent."""
    figure, (axes,) = panels(2.5)
    colours, markers = (BLUE, GREY, ROSE), ("o", "s", "D")
    for (name, row), colour, marker in zip(table.iterrows(), colours, markers, strict=False):
        axes.plot(range(len(row)), row, marker=marker, color=colour, label=name)
    axes.set(xticks=range(table.shape[1]), xticklabels=list(table.columns), xlabel="K", ylabel="Recall@K (%)")
    axes.set_ylim(top=101)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def with_intervals(table: pd.DataFrame, xlabel: str) -> Figure:
    """A dot with its interval a row, the first on top.

    Args:
        table: index the labels; columns ``value``, ``low``, ``high``.
        xlabel: quantity and unit.
    """
    figure, (axes,) = panels(0.28 * len(table) + 0.7)
    y = np.arange(len(table))[::-1]
    axes.hlines(y, table["low"], table["high"], color=BLUE, linewidth=2.2, alpha=0.5)
    axes.plot(table["value"], y, "o", color=BLUE)
    axes.axvline(table["value"].iloc[0], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(yticks=y, yticklabels=table.index, xlabel=xlabel, ymargin=0.12)
    axes.grid(axis="y", visible=False)
    return figure


@styled
def nearest_cosines(values: Mapping[str, np.ndarray], threshold: float) -> Figure:
    """How near the nearest photograph of the same class is: part of the photographs above each cosine."""
    figure, (axes,) = panels(2.6)
    looks = zip(values.items(), ((GREY, "--"), (AMBER, "-."), (BLUE, "-")), strict=False)
    for (name, cosines), (colour, line) in looks:
        ordered = np.sort(cosines)
        share = 100 * np.arange(len(ordered), 0, -1) / len(ordered)
        axes.plot(ordered, share, color=colour, linestyle=line, label=f"{name} (median {np.median(ordered):.2f})")
    axes.axvline(threshold, color=ROSE, linewidth=1)
    axes.annotate(f" threshold {threshold:.2f}", (threshold, 97), color=ROSE, va="top")
    axes.set(xlabel="cosine to the nearest photograph of the same class", ylabel="photographs above it (%)")
    axes.legend(loc="lower left")
    return figure


@styled
def noise_floor(draws: Mapping[int, float], seeds: Mapping[int, float], detectable: pd.DataFrame) -> Figure:
    """Left: the runs of one arm, by class draw and by seed of draw 0. Right: what a study can detect.

    Args:
        draws: Recall@1 in per cent by class draw, one seed each.
        seeds: the same by seed, all on draw 0.
        detectable: index number of pairs; one column a kind of pair, in points.
    """
    figure, (left, right) = panels(2.8, 2, width_ratios=(2, 3))
    for x, values, colour, marker in ((0, draws, ROSE, "D"), (1, seeds, BLUE, "o")):
        spots = x + np.linspace(-0.16, 0.16, len(values))
        left.plot(spots, list(values.values()), marker, color=colour)
        for spot, (number, value) in zip(spots, values.items(), strict=True):
            left.annotate(str(number), (spot, value), (0, 5), textcoords="offset points", ha="center", fontsize=6.5)
    left.set_xticks((0, 1), (f"{len(draws)} class draws", f"{len(seeds)} seeds\nof draw 0"))
    left.set(xlim=(-0.5, 1.5), ylabel="Recall@1, unseen classes (%)", ymargin=0.12)
    left.grid(axis="x", visible=False)
    for (name, column), colour, marker in zip(detectable.items(), (GREY, ROSE, BLUE), "sDo", strict=False):
        right.plot(column.index, column, marker=marker, markersize=4, color=colour, label=name)
    right.set(xlabel="number of pairs", ylabel="detectable difference (points)", yscale="log", xscale="log")
    right.set_xticks(detectable.index, [str(n) for n in detectable.index])
    right.minorticks_off()
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if tick < 1.5 * detectable.to_numpy().max()]
    right.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    right.legend(loc="upper right")
    return figure


@styled
def coverage(table: pd.DataFrame, wanted: float = 95.0) -> Figure:
    """Coverage in per cent (one column an interval) by the standard deviation between classes (index, in points)."""
    figure, (axes,) = panels(2.4)
    looks = ((GREY, "s", 1.6, 5), (AMBER, "D", 4, 9), (BLUE, "o", 1.6, 5))  # one often lies on another
    for (name, column), (colour, marker, width, size) in zip(table.items(), looks, strict=False):
        axes.plot(column.index, column, marker=marker, color=colour, linewidth=width, markersize=size, label=name)
    axes.axhline(wanted, color=ROSE, linewidth=1)
    axes.text(1.01, wanted, f"{wanted:.0f} %", color=ROSE, va="center", transform=axes.get_yaxis_transform())
    axes.set(xlabel="standard deviation of the effect between coarse classes (points)", ylabel="coverage (%)")
    axes.set(ylim=(min(60, table.to_numpy().min() - 5), 102), xticks=table.index)
    axes.legend(loc="lower left")
    return figure


def curve_table(records: Sequence[RunRecord], arm: str, metric: str = "recall_at_1") -> pd.DataFrame:
    """The curves of an arm, one row a run, role and step, for the runs whose seed is the draw's own.

    Returns:
        Columns ``draw``, ``role`` (seen, validation, test), ``step`` (0: the untouched network) and ``value``.
    """
    rows = []
    for draw, record in by_draw(records, arm).items():
        for point in [{"step": 0, **record["untouched"]}, *record["curve"]]:
            for role in CURVES:
                if metric in point.get(role, {}):
                    rows.append((draw, role, point["step"], point[role][metric]))
    return pd.DataFrame(rows, columns=["draw", "role", "step", "value"])


@styled
def curves(tables: Mapping[str, pd.DataFrame], ylabel: str = "Recall@1 (%)") -> Figure:
    """Seen, validation and unseen classes by training step: a panel an arm, thin lines the draws, thick their mean
    with its 95 % t interval.

    Args:
        tables: title of the arm -> :func:`curve_table`; an empty one gives a panel that says so.
        ylabel: metric and unit.
    """
    figure, axes = panels(2.9, len(tables), sharey=True)
    for panel, (title, table) in zip(axes, tables.items(), strict=True):
        panel.set(title=title, xlabel="training step")
        if table.empty:
            _say(panel, "not run")
            continue
        for role, one in table.groupby("role"):
            label, line, marker = CURVES[role]
            by_draw = one.pivot(index="step", columns="draw", values="value")
            for column in by_draw:
                whole = by_draw[column].dropna()
                panel.plot(whole.index, whole, line, color=ROLE_COLOURS[label], linewidth=0.7, alpha=0.45)
            whole = by_draw.dropna()
            mean = whole.mean(axis=1)
            if whole.shape[1] > 1:
                low, high = zip(*(t_interval(row) for row in whole.to_numpy()), strict=True)
                panel.fill_between(mean.index, low, high, color=ROLE_COLOURS[label], alpha=0.12, linewidth=0)
            panel.plot(mean.index, mean, line, marker=marker, markersize=3.5, color=ROLE_COLOURS[label])
    axes[0].set_ylabel(ylabel)
    handles = [
        Line2D([], [], color=ROLE_COLOURS[name], linestyle=line, marker=mark, markersize=3.5, label=f"{name} classes")
        for name, line, mark in CURVES.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@styled
def checkpoints(
    values: Mapping[str, Mapping[str, Mapping[int, float]]], ylabel: str = "Recall@1, unseen classes (%)"
) -> Figure:
    """What each way to choose a checkpoint reports: a panel an arm, a line a class draw, the mean with its 95 % t
    interval.

    Args:
        values: title of the arm -> checkpoint (a key of ``CHECKPOINTS``) -> value by class draw.
        ylabel: metric and unit.
    """
    figure, axes = panels(2.7, len(values), sharey=True)
    for panel, (title, arm) in zip(axes, values.items(), strict=True):
        shown = [name for name in CHECKPOINTS if arm.get(name)]
        panel.set(title=title, xlim=(-0.4, len(CHECKPOINTS) - 0.6))
        if not shown:
            _say(panel, "not run")
            continue
        table = pd.DataFrame({name: arm[name] for name in shown})
        for _, row in table.iterrows():
            panel.plot(range(len(shown)), row, "o-", color=GREY, linewidth=0.8, markersize=3, alpha=0.7)
        low, high = (
            zip(*(t_interval(column) for _, column in table.items()), strict=True) if len(table) > 1 else ((), ())
        )
        panel.vlines(range(len(low)), low, high, color=ROSE, linewidth=2.2, alpha=0.5)
        panel.plot(range(len(shown)), table.mean(), "D", color=ROSE, markersize=6)
        panel.set_xticks(range(len(shown)), [CHECKPOINTS[name] for name in shown], fontsize=7.5)
        panel.grid(axis="x", visible=False)
    axes[0].set_ylabel(ylabel)
    return figure


def _say(axes: Axes, what: str) -> None:
    """An empty panel with words in its middle."""
    axes.axis("off")
    axes.text(0.5, 0.5, what, ha="center", va="center", color=GREY, fontsize=11, transform=axes.transAxes)
