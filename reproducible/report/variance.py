"""Tables and figures of VEM: gates and clusters over training, what the variances are, a map of the embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproducible.data.store import Store
from reproducible.evaluation.features import QUANTILES
from reproducible.report.figures import AMBER, BLUE, GREY, ROSE, WIDTH, curve_table, not_run, panels, styled
from reproducible.report.tables import NOT_RUN, spread, values_of
from reproducible.types import RunRecord

CLUSTERS = {"nmi": ("NMI", BLUE, "o"), "f1": ("F1", AMBER, "s")}


def gate_table(records: Sequence[RunRecord], arm: str) -> pd.DataFrame:
    """Quantiles of the gate over training, means over class draws: index the step, a column a quantile in per cent."""
    return pd.DataFrame({q: _by_step(records, arm, f"gate_q{q}") for q in QUANTILES})


def cluster_table(records: Sequence[RunRecord], arm: str) -> pd.DataFrame:
    """Clusters over training, means over class draws: index the step; ``nmi``, ``nmi_low`` and ``nmi_high`` (the range
    over single starts of k-means), the same of ``f1``, and ``recall_at_1``, which begins at the untouched network."""
    names = [f"{name}{end}" for name in CLUSTERS for end in ("", "_low", "_high")]
    return pd.DataFrame({name: _by_step(records, arm, name) for name in (*names, "recall_at_1")})


def _by_step(records: Sequence[RunRecord], arm: str, metric: str) -> pd.Series:
    table = curve_table(records, arm, metric)
    return table[table["role"] == "test"].groupby("step")["value"].mean()


@styled
def gates(tables: Mapping[str, pd.DataFrame], near: float = 0.02) -> Figure:
    """Gates over training: a panel an arm; the median, and bands from quantile to quantile.

    Args:
        tables: title -> :func:`gate_table`; empty ones are left out.
        near: half the width of the strip around 1/2 that is drawn for comparison.
    """
    shown = {title: table for title, table in tables.items() if not table.empty}
    if not shown:
        return not_run(NOT_RUN)
    figure, axes = panels(2.7, len(shown), sharey=True)
    for panel, (title, table) in zip(axes, shown.items(), strict=True):
        for low, high, alpha in ((0, 100, 0.12), (5, 95, 0.22), (25, 75, 0.38)):
            label = f"{low} to {high} %" if low else "all"
            panel.fill_between(table.index, table[low], table[high], color=BLUE, alpha=alpha, linewidth=0, label=label)
        panel.plot(table.index, table[50], "o-", color=BLUE, label="median")
        for line in (0.5 - near, 0.5 + near):
            panel.axhline(line, color=ROSE, linewidth=0.8, linestyle=":")
        panel.set(title=title, xlabel="training step")
    axes[0].set_ylabel("gate")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def clusters(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """NMI, F1 and Recall@1 on unseen classes over training: a panel an arm, shaded the range over starts of k-means.

    Args:
        tables: title -> :func:`cluster_table`; empty ones are left out.
    """
    shown = {title: table for title, table in tables.items() if not table["nmi"].dropna().empty}
    if not shown:
        return not_run(NOT_RUN)
    figure, axes = panels(2.8, len(shown), sharey=True)
    for panel, (title, table) in zip(axes, shown.items(), strict=True):
        panel.plot(table.index, table["recall_at_1"], "D-", color=ROSE, markersize=3.5, label="Recall@1")
        scored = table.dropna()
        for name, (label, colour, marker) in CLUSTERS.items():
            low, high = scored[f"{name}_low"], scored[f"{name}_high"]
            panel.fill_between(scored.index, low, high, color=colour, alpha=0.2, linewidth=0)
            panel.plot(scored.index, scored[name], marker=marker, markersize=3.5, color=colour, label=label)
        panel.set(title=title, xlabel="training step")
    axes[0].set_ylabel("unseen classes (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def measure_table(
    metrics: Mapping[str, tuple[str, str, str]], studies: Mapping[str, Sequence[RunRecord]]
) -> pd.DataFrame:
    """Measures of the variances on several benchmarks, means over class draws with 95 % t intervals.

    Args:
        metrics: title -> arm, checkpoint and name as in the records.
        studies: title of the benchmark -> records.
    """
    rows = [
        {"measure": title}
        | {name: spread(list(values_of(found, arm, at, metric).values())) for name, found in studies.items()}
        for title, (arm, at, metric) in metrics.items()
    ]
    return pd.DataFrame(rows)


@styled
def scattered(store: Store, indices: np.ndarray, points: np.ndarray, size: float = 0.26) -> Figure:
    """Images at given places, those of one class in a frame of one colour.

    Args:
        store: where the images are.
        indices: which, (N,).
        points: (N, 2), any scale.
        size: side of an image, in inches.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    places = (points - low) / (high - low)
    figure = Figure(figsize=(WIDTH, WIDTH))
    side = size / WIDTH
    colours = (BLUE, ROSE, AMBER, GREY, "#4f8f5b", "#8a5aa8", "#3aa0a8", "#9a6b3c")
    classes = {label: colours[n % len(colours)] for n, label in enumerate(np.unique(store.labels[indices]))}
    for index, (x, y) in zip(indices, places, strict=True):
        axes = figure.add_axes((x * (1 - side), y * (1 - side), side, side))
        axes.imshow(store.images[index])
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set(visible=True, color=classes[store.labels[index]], linewidth=1.4)
    return figure
